import { execFileSync } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'

// libnbd: nbd_get_package_name, nbd_get_version
test('name and version can be imported', () => {
  // The runner knows no import attributes.
  const program = `
    import core from '@nbdjs/core/package.json' with { type: 'json' }
    console.log(core.name, core.version)`
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: dirname(fileURLToPath(import.meta.url)),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  expect(printed).toMatch(/^@nbdjs\/core \d+\.\d+\.\d+\n$/)
})
