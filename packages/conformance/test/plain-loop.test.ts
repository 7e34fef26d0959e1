import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { transportScenarios } from '@nbdjs/conformance'
import { buildSync } from 'esbuild'

const folder = mkdtempSync(path.join(os.tmpdir(), 'nbdjs-'))
const program = path.join(folder, 'plain-loop.mjs')
afterAll(() => rmSync(folder, { recursive: true }))

beforeAll(() => {
  // In a process of its own: the service that build() keeps running would outlive the test.
  buildSync({
    entryPoints: [fileURLToPath(new URL('plain-loop.ts', import.meta.url))],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: process.env['TEST_TARGET'] === 'dist' ? [] : ['@nbdjs/source'],
  })
})

interface Line {
  readonly name: string
  readonly error: string | null
}

function run(...args: string[]): Line[] {
  const output = execFileSync(process.execPath, [program, ...args], { encoding: 'utf8' })
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

const unhandled = 'errors: none goes unhandled, before start() and after destroy()'

describe('a plain loop, without a test runner', () => {
  it('runs every scenario, and the memory transport passes', () => {
    const expected = transportScenarios().map(({ name }) => ({ name, error: null }))
    expect(run()).toEqual(expected)
  }, 60_000)

  it.each(['throwing', 'rejecting'])('catches an error that goes unhandled: %s', (alteration) => {
    const [line] = run(alteration, unhandled)
    expect(line?.name).toBe(unhandled)
    expect(line?.error).toMatch(
      /^ConformanceError: an error went unhandled: .*Error "destroyed by the suite before start\(\)"/,
    )
  })

  it('tells of the unhandled error beside the failure that it may be the reason of', () => {
    const [line] = run('throwing', 'close: resolves when destroy() follows')
    expect(line?.error).toContain('an error went unhandled: Error "destroyed by the suite"')
  })
})
