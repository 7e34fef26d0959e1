import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { install, parsePackageManager } from '../../scripts/pnpm.mjs'

it('G7: the version and the checksum of pnpm are read from package.json', () => {
  const checksum = '0123456789abcdef'.repeat(8)
  expect(parsePackageManager(`pnpm@10.34.9+sha512.${checksum}`)).toEqual({ version: '10.34.9', checksum })
})

it.each([
  ['no checksum', 'pnpm@10.34.9'],
  ['half a checksum', `pnpm@10.34.9+sha512.${'0'.repeat(64)}`],
  ['another program', `npm@11.0.0+sha512.${'0'.repeat(128)}`],
])('G7: a package manager that is not pnpm with a complete checksum is rejected: %s', (_, text) => {
  expect(() => parsePackageManager(text)).toThrow(
    `packageManager: expected pnpm@VERSION+sha512.CHECKSUM, received "${text}"`,
  )
})

it('G7: a pnpm with another checksum is not installed', () => {
  const cache = mkdtempSync(join(tmpdir(), 'nbdjs-pnpm-'))
  try {
    expect(() => install({ version: '10.34.9', checksum: '01'.repeat(64) }, cache)).toThrow(
      'pnpm 10.34.9 could not be installed: npm error',
    )
    expect(readdirSync(cache)).toEqual([])
  } finally {
    rmSync(cache, { recursive: true })
  }
})
