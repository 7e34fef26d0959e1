import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { findProgram, type SpawnOptions, spawnServer } from '../src/spawn-server.js'

const options: SpawnOptions = {
  address: 'command:x',
  script: 'echo "$0|$*"; exec "$@"',
  program: '/bin/echo',
  args: ['a  b', '', '$HOME', "'", '-n'],
  stdio: ['ignore', 'pipe', 'pipe'],
  env: { PATH: '/nowhere' },
}

describe('spawnServer', () => {
  it('passes each argument unchanged', async () => {
    const spawned = spawnServer(options)
    if (!('child' in spawned)) throw await spawned.failure
    const { child } = spawned
    const [output] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), once(child, 'exit')])
    expect(output).toBe("sh|/bin/echo a  b  $HOME ' -n\na  b  $HOME ' -n\n")
  })

  it('throws what Node reports at once', () => {
    const spawn = () => spawnServer({ ...options, args: ['x'.repeat(1024 * 1024)] })
    expect(spawn).toThrow(NbdTransportError)
    expect(spawn).toThrow(
      expect.objectContaining({
        message: 'dial of command:x failed: spawn E2BIG',
        operation: 'dial',
        errno: 'E2BIG',
      }),
    )
  })

  it('returns what Node reports later', async () => {
    const spawned = spawnServer(options, '/nonexistent/sh')
    const error = 'failure' in spawned ? await spawned.failure : undefined
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({
      message: expect.stringContaining('dial of command:x failed: spawn /nonexistent/sh ENOENT'),
      operation: 'dial',
      errno: 'ENOENT',
    })
  })
})

const folder = mkdtempSync(join(tmpdir(), 'nbdjs-programs-'))
const address = 'command:x'
const find = (name: string, searchPath?: string): Promise<string> => findProgram(address, name, searchPath)

beforeAll(() => {
  for (const name of ['first', 'second', 'second/folder']) mkdirSync(join(folder, name))
  for (const name of ['first/plain', 'second/program', 'second/both', 'first/both', '-dash']) {
    writeFileSync(join(folder, name), '')
    chmodSync(join(folder, name), name.endsWith('plain') ? 0o644 : 0o755)
  }
  writeFileSync(join(folder, 'second/plain'), '', { mode: 0o755 })
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('findProgram finds', () => {
  const searchPath = ['nowhere', 'first', 'second'].map((name) => join(folder, name)).join(':')

  it.each([
    ['the only one', 'program', 'second/program'],
    ['the first of two', 'both', 'first/both'],
    ['one after another that cannot be executed', 'plain', 'second/plain'],
  ])('%s', async (_, name, expected) => {
    expect(await find(name, searchPath)).toBe(join(folder, expected))
  })

  it('a path unchanged, and never as an option of the shell', async () => {
    expect(await find(join(folder, 'first/both'), '')).toBe(join(folder, 'first/both'))
    const before = process.cwd()
    process.chdir(folder)
    try {
      expect(await find('first/both', '')).toBe('./first/both')
      expect(await find('-dash', '')).toBe('././-dash')
      expect(await find('both', 'first')).toBe('./first/both')
    } finally {
      process.chdir(before)
    }
  })

  it('a program in PATH by default', async () => {
    expect(await find('sh')).toMatch(/^\/.*\/sh$/)
  })
})

describe('findProgram rejects', () => {
  const refusal = async (name: string, searchPath: string): Promise<unknown> =>
    find(name, searchPath).catch((error: unknown) => error)

  it.each([
    ['none', 'ENOENT', (path: string) => `there is no program "none" in PATH "${path}"`],
    ['plain', 'EACCES', (path: string) => `"plain" cannot be executed in PATH "${path}"`],
    ['folder', 'EACCES', (path: string) => `"folder" cannot be executed in PATH "${path}"`],
  ])('%s: %s', async (name, errno, text) => {
    const searchPath = name === 'folder' ? join(folder, 'second') : join(folder, 'first')
    const error = await refusal(name, searchPath)
    expect(error).toBeInstanceOf(NbdTransportError)
    const message = `dial of command:x failed: ${errno}: ${text(searchPath)}`
    expect(error).toMatchObject({ message, errno, operation: 'dial', address })
  })

  it('a path, without the folders', async () => {
    const path = join(folder, 'first/none')
    expect(await refusal(path, '/bin')).toMatchObject({
      message: `dial of command:x failed: ENOENT: there is no program "${path}"`,
    })
    const plain = join(folder, 'first/plain')
    expect(await refusal(plain, '/bin')).toMatchObject({
      message: `dial of command:x failed: EACCES: "${plain}" cannot be executed`,
    })
    // A file is not a folder.
    expect(await refusal(`${plain}/x`, '/bin')).toMatchObject({ errno: 'ENOENT' })
  })
})
