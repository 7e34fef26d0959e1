import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, it } from '@jest/globals'
import { memoryBackend, Server } from '@nbdjs/server'
import { buildSync } from 'esbuild'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'nbdjs-'))
afterAll(() => rm(folder, { recursive: true }))

it('README.md: the first example runs', async () => {
  const readme = await readFile(join(repository, 'README.md'), 'utf8')
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  await using server = new Server({ exports: { '': memoryBackend(2 ** 30) } })
  const { port } = await server.listen({ port: 0 })

  const program = join(folder, 'example.mjs')
  buildSync({
    stdin: { contents: example.replace('10809', String(port)), resolveDir: repository, loader: 'ts' },
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@nbdjs/source'],
  })
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program])
  expect(stderr).toBe('')
  expect(stdout).toBe('1073741824 bytes hello\n')
})
