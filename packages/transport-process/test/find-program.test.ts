import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { findProgram } from '../src/find-program.js'

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
    ['one behind another that cannot be executed', 'plain', 'second/plain'],
  ])('%s', async (_, name, expected) => {
    expect(await find(name, searchPath)).toBe(join(folder, expected))
  })

  it('a path as it is, and never as an option of the shell', async () => {
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

  it('what PATH leads to by default', async () => {
    expect(await find('sh')).toMatch(/^\/.*\/sh$/)
  })
})

describe('findProgram rejects', () => {
  const refusal = async (name: string, searchPath: string): Promise<unknown> =>
    find(name, searchPath).catch((error: unknown) => error)

  it.each([
    ['none', 'ENOENT', (path: string) => `there is no program none in PATH (${path})`],
    ['plain', 'EACCES', (path: string) => `plain cannot be executed in PATH (${path})`],
    ['folder', 'EACCES', (path: string) => `folder cannot be executed in PATH (${path})`],
  ])('%s: %s', async (name, errno, told) => {
    const searchPath = name === 'folder' ? join(folder, 'second') : join(folder, 'first')
    const error = await refusal(name, searchPath)
    expect(error).toBeInstanceOf(NbdTransportError)
    const message = `dial of command:x failed: ${errno}: ${told(searchPath)}`
    expect(error).toMatchObject({ message, errno, operation: 'dial', address })
  })

  it('a path, without the folders', async () => {
    const path = join(folder, 'first/none')
    expect(await refusal(path, '/bin')).toMatchObject({
      message: `dial of command:x failed: ENOENT: there is no program ${path}`,
    })
    const plain = join(folder, 'first/plain')
    expect(await refusal(plain, '/bin')).toMatchObject({
      message: `dial of command:x failed: EACCES: ${plain} cannot be executed`,
    })
    // A file is no folder.
    expect(await refusal(`${plain}/x`, '/bin')).toMatchObject({ errno: 'ENOENT' })
  })
})
