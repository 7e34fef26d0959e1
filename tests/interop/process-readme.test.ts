import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from '@jest/globals'
import { describeWith } from './peers/describe-with.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(`${repository}/packages/transport-process/README.md`, 'utf8')

/** The first example. It is plain JavaScript and runs unchanged. */
const example = /^```ts\n(.*?)^```$/ms.exec(readme)?.[1]

describeWith(
  "the example of transport-process' README",
  { programs: ['nbdkit'], installation: 'host' },
  () => {
    it('runs, and prints the lines in its comments', async () => {
      if (example === undefined) throw new Error('README.md has no example')
      const printed = [...example.matchAll(/\/\/ prints (.*)$/gm)].map(([, text]) => `${text}\n`)
      expect(printed).toHaveLength(1)
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '--eval', example],
        { cwd: repository },
      )
      expect(stdout).toBe(printed.join(''))
    })
  },
)
