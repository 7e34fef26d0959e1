import { describe, expect, it } from '@jest/globals'
import { jestCounts, notRun, ran, summarize } from '../../scripts/test-summary.mjs'

const counts = (passed: number, failed: number, skipped: number) => ({
  ...{ passed, failed, skipped },
  failures: Array.from({ length: failed }, (_, index) => `broken ${index}`),
})
const required = { isEverythingRequired: true }
const optional = { isEverythingRequired: false }

describe('summarize', () => {
  it('adds the suites up on its last line', () => {
    const { lines, exitCode } = summarize(
      [ran('unit', counts(10, 0, 0), undefined), ran('vsock', counts(4, 0, 0), undefined)],
      required,
    )
    expect(lines.at(-1)).toBe('14 passed, 0 failed, 0 skipped')
    expect(exitCode).toBe(0)
  })

  it('fails and names what failed', () => {
    const { lines, exitCode } = summarize([ran('unit', counts(1, 2, 0), 'exit code 1')], optional)
    expect(lines).toContain('failed: broken 1')
    expect(lines.at(-1)).toBe('1 passed, 2 failed, 0 skipped')
    expect(exitCode).toBe(1)
  })

  it.each([
    ['a skipped test', ran('interop', counts(5, 0, 1), undefined), 'interop skipped 1'],
    ['a suite without a test', ran('interop', counts(0, 0, 0), undefined), 'interop ran no test'],
    [
      'a suite that did not run',
      notRun('interop', { reason: 'no nbdkit', remedy: 'apt-get install nbdkit' }),
      'interop did not run: no nbdkit',
    ],
  ])('counts %s as a failure only if everything is required', (_, result, complaint) => {
    expect(summarize([result], optional).exitCode).toBe(0)
    expect(summarize([result], required).exitCode).toBe(1)
    expect(summarize([result], optional).lines).toContain(complaint)
  })

  it('counts a suite that did not run as skipped and gives the remedy', () => {
    const { lines } = summarize([notRun('vsock', { reason: 'no qemu', remedy: 'npm run x' })], optional)
    expect(lines).toContain('  to run all of it: npm run x')
    expect(lines.at(-1)).toBe('0 passed, 0 failed, 1 skipped')
  })

  it('shows each suite in a table', () => {
    const { lines } = summarize(
      [ran('unit', counts(10, 0, 2), undefined), notRun('vsock', { reason: 'no qemu', remedy: undefined })],
      optional,
    )
    expect(lines.slice(0, 3)).toEqual([
      'suite    passed    failed   skipped',
      'unit         10         0         2',
      'vsock         -         -  did not run',
    ])
  })
})

describe('ran', () => {
  it('fails a suite whose program ends badly without a failed test', () => {
    expect(ran('unit', counts(9, 0, 0), 'exit code 1')).toEqual({
      ...{ name: 'unit', passed: 9, failed: 1, skipped: 0 },
      failures: ['unit: exit code 1, but no test failed'],
    })
  })

  it('fails a suite that leaves no result, even one that ends well', () => {
    expect(ran('vsock', undefined, undefined)).toMatchObject({
      failed: 1,
      failures: ['vsock left no result'],
    })
    expect(ran('vsock', undefined, 'signal SIGSEGV').failures).toEqual([
      'vsock left no result: signal SIGSEGV',
    ])
  })
})

describe('jestCounts', () => {
  const none = {
    ...{ numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 },
    ...{ numRuntimeErrorTestSuites: 0, testResults: [] },
  }

  it('counts what was left out and what is to do as skipped', () => {
    expect(jestCounts({ ...none, numPassedTests: 3, numPendingTests: 2, numTodoTests: 1 })).toEqual({
      ...{ passed: 3, failed: 0, skipped: 3, failures: [] },
    })
  })

  it('counts a file that does not load as a failure and names it', () => {
    const broken = { name: 'a.test.ts', message: '  SyntaxError: unexpected\n at x', assertionResults: [] }
    expect(jestCounts({ ...none, numRuntimeErrorTestSuites: 1, testResults: [broken] })).toMatchObject({
      failed: 1,
      failures: ['a.test.ts: SyntaxError: unexpected'],
    })
  })

  it('names each failed test with its file', () => {
    const assertionResults = [
      { status: 'passed', fullName: 'adds' },
      { status: 'failed', fullName: 'divides' },
    ]
    const file = { name: 'b.test.ts', message: 'long text', assertionResults }
    expect(
      jestCounts({ ...none, numPassedTests: 1, numFailedTests: 1, testResults: [file] }).failures,
    ).toEqual(['b.test.ts: divides'])
  })
})
