import { describe, expect, it } from '@jest/globals'
import { TapReader } from '../tap-results.mjs'

function resultsOf(lines: string, machineFault?: string): ReturnType<TapReader['results']> {
  const reader = new TapReader()
  for (const line of lines.trim().split('\n')) reader.take(line.trim())
  return reader.results(machineFault)
}

describe('TapReader', () => {
  it('counts passed tests and ignores all other lines', () => {
    const results = resultsOf(`
      [    0.000000] Linux version 6.1.0
      ok 1 - first
      # a remark
      ok 2 - second
      1..2
      # node exited with 0
      [    5.000000] reboot: Power down`)
    expect(results).toEqual({ passed: 2, failed: 0, skipped: 0, failures: [] })
  })

  it('keeps the error of a failed test', () => {
    const results = resultsOf(`
      not ok 1 - first > inner
      # AssertionError: 1 is not 2
      #     at first.test.ts:1:1
      ok 2 - second
      # of no interest
      1..2`)
    expect(results).toEqual({
      passed: 1,
      failed: 1,
      skipped: 0,
      failures: ['first > inner\nAssertionError: 1 is not 2\n    at first.test.ts:1:1'],
    })
  })

  it('counts skipped tests separately', () => {
    const results = resultsOf(`
      ok 1 - first
      ok 2 - second # SKIP not here
      ok 3 - third # TODO
      1..3`)
    expect(results).toEqual({ passed: 1, failed: 0, skipped: 2, failures: [] })
  })

  it.each<[string, string, string]>([
    ['there is no output', '', 'the plan is missing after 0 tests'],
    ['the plan is missing', 'ok 1 - first', 'the plan is missing after 1 tests'],
    ['tests are missing', 'ok 1 - first\n1..2', 'the plan has 2 tests, 1 were reported'],
    [
      'a line is missing',
      'ok 1 - first\nok 3 - third\n1..3',
      'test number: expected 2, received 3 ("third")',
    ],
    ['no test ran', '1..0', 'no test passed'],
    ['all tests were skipped', 'ok 1 - first # SKIP\n1..1', 'no test passed'],
  ])('fails if %s', (_, lines, fault) => {
    const { failed, failures } = resultsOf(lines)
    expect(failed).toBeGreaterThan(0)
    expect(failures).toContain(`virtual machine: ${fault}`)
  })

  it('fails if the machine failed, even if all tests passed', () => {
    expect(resultsOf('ok 1 - first\n1..1', 'no output for 240 s')).toEqual({
      passed: 1,
      failed: 1,
      skipped: 0,
      failures: ['virtual machine: no output for 240 s'],
    })
  })
})
