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
  // Not build(): its service process would outlive the test.
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

const unhandled = 'errors: none is unhandled, before start() and after destroy()'

describe('a plain loop, without a test runner', () => {
  it('runs all scenarios, and the memory transport passes', () => {
    const expected = transportScenarios().map(({ name }) => ({ name, error: null }))
    expect(run()).toEqual(expected)
  }, 300_000)

  it.each(['throwing', 'rejecting'])('catches an unhandled error: %s', (alteration) => {
    const [line] = run(alteration, unhandled)
    expect(line?.name).toBe(unhandled)
    expect(line?.error).toMatch(
      /^ConformanceError: unhandled error: .*Error "destroyed by the suite before start\(\)"/,
    )
  })

  it('reports an unhandled error together with the failure that it may have caused', () => {
    const [line] = run('throwing', 'close: resolves if destroy() follows')
    expect(line?.error).toContain('unhandled error: Error "destroyed by the suite"')
  })
})
