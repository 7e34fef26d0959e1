import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { build } from 'esbuild'

// The package is bundled to a folder where ffi-rs fails to load, as on a system without a binary of it. Therefore no dial
// reaches a vsock.
const folder = mkdtempSync(join(tmpdir(), 'transport-vsock-'))

beforeAll(async () => {
  const ffi = join(folder, 'node_modules', 'ffi-rs')
  mkdirSync(ffi, { recursive: true })
  writeFileSync(join(ffi, 'index.js'), "throw new Error('no binary')")
  await build({
    entryPoints: [fileURLToPath(import.meta.resolve('@nbdjs/transport-vsock'))],
    outfile: join(folder, 'index.mjs'),
    bundle: true,
    external: ['ffi-rs'],
    platform: 'node',
    format: 'esm',
    conditions: ['@nbdjs/source'],
  })
})

afterAll(() => rmSync(folder, { recursive: true }))

function run(prelude: string): string {
  const program = join(folder, 'program.mjs')
  writeFileSync(
    program,
    `${prelude}
    const { vsock, hybridVsock, supportsVsock, Cid } = await import('./index.mjs')
    console.log(Object.keys(Cid).length, hybridVsock('/run/vm.sock', 1).address, supportsVsock())
    const { signal } = new AbortController()
    await vsock(Cid.Local, 1).dial({ signal }).catch((error) => console.log(error.message))`,
  )
  const { stdout, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' })
  return stdout + stderr
}

describe('the package', () => {
  it('can be imported without ffi-rs, and reports it missing at a dial', () => {
    const [first, second] = run('').split('\n')
    expect(first).toBe('4 hybrid-vsock:/run/vm.sock:1 false')
    expect(second).toContain('ffi-rs, which makes the system calls, could not be loaded (no binary)')
  })

  it.each(['darwin', 'win32', 'freebsd'])(
    'can be imported on %s, and says that vsock is not supported',
    (platform) => {
      const [first, second] = run(
        `Object.defineProperty(process, 'platform', { value: '${platform}' })`,
      ).split('\n')
      expect(first).toBe('4 hybrid-vsock:/run/vm.sock:1 false')
      expect(second).toBe(
        `dial of vsock://1:1 failed: vsock is not supported on ${platform}: it is a socket family of Linux. Use ` +
          'tcp, unix or hybridVsock instead',
      )
    },
  )
})
