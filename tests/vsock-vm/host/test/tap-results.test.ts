import { describe, expect, it } from '@jest/globals'
import { TapReader } from '../tap-results.mjs'

function resultsOf(lines: string, mishap?: string): ReturnType<TapReader['results']> {
  const reader = new TapReader()
  for (const line of lines.trim().split('\n')) reader.take(line.trim())
  return reader.results(mishap)
}

describe('TapReader', () => {
  it('counts what passed, between lines of other origin', () => {
    const results = resultsOf(`
      [    0.000000] Linux version 6.1.0
      ok 1 - first
      # a remark
      ok 2 - second
      1..2
      # node ended with 0
      [    5.000000] reboot: Power down`)
    expect(results).toEqual({ passed: 2, failed: 0, skipped: 0, failures: [] })
  })

  it('keeps why a test failed', () => {
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

  it('counts what was skipped apart', () => {
    const results = resultsOf(`
      ok 1 - first
      ok 2 - second # SKIP not here
      ok 3 - third # TODO
      1..3`)
    expect(results).toEqual({ passed: 1, failed: 0, skipped: 2, failures: [] })
  })

  it.each<[string, string, string]>([
    ['nothing was said', '', 'the closing line is missing after 0 tests'],
    ['the closing line is missing', 'ok 1 - first', 'the closing line is missing after 1 tests'],
    ['tests are missing', 'ok 1 - first\n1..2', 'the closing line speaks of 2 tests, 1 were reported'],
    [
      'a line was lost',
      'ok 1 - first\nok 3 - third\n1..3',
      'test 2 was expected, and number 3 reported: "third"',
    ],
    ['nothing ran', '1..0', 'no test passed'],
    ['everything was skipped', 'ok 1 - first # SKIP\n1..1', 'no test passed'],
  ])('fails when %s', (_, lines, fault) => {
    const { failed, failures } = resultsOf(lines)
    expect(failed).toBeGreaterThan(0)
    expect(failures).toContain(`virtual machine: ${fault}`)
  })

  it('fails when the machine did, whatever passed', () => {
    expect(resultsOf('ok 1 - first\n1..1', 'it was switched off after 300 s')).toEqual({
      passed: 1,
      failed: 1,
      skipped: 0,
      failures: ['virtual machine: it was switched off after 300 s'],
    })
  })
})
