/** What the suites' results add up to. Pure: counts and words, no files and no processes. */

/**
 * @typedef {object} SuiteResult
 * @property {string} name
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {readonly string[]} failures The names of the failed tests.
 * @property {string} [didNotRun] Why the suite did not run, if it did not.
 * @property {string} [remedy] The command after which the whole suite runs.
 */

/**
 * @typedef {object} Summary
 * @property {readonly string[]} lines The last one is `N passed, N failed, N skipped`.
 * @property {0 | 1} exitCode
 */

/**
 * The result of a suite that could not run: one skipped test, to make it visible in the totals.
 *
 * @param {string} name
 * @param {{ reason: string, remedy: string | undefined }} why
 * @returns {SuiteResult}
 */
export const notRun = (name, { reason, remedy }) => ({
  ...{ name, passed: 0, failed: 0, skipped: 1, failures: [], didNotRun: reason },
  ...(remedy === undefined ? {} : { remedy }),
})

/**
 * The result of a suite that ran.
 *
 * A program that fails without a failed test (a threshold, a leak, a crash) counts as one failure.
 *
 * @param {string} name
 * @param {{ passed: number, failed: number, skipped: number, failures: readonly string[] } | undefined} counts
 *   undefined if the program left none.
 * @param {string | undefined} exitFailure How the program failed, or undefined.
 * @returns {SuiteResult}
 */
export const ran = (name, counts, exitFailure) => {
  if (counts === undefined) {
    const failure = `${name} left no result${exitFailure === undefined ? '' : `: ${exitFailure}`}`
    return { name, passed: 0, failed: 1, skipped: 0, failures: [failure] }
  }
  const { passed, failed, skipped, failures } = counts
  if (exitFailure === undefined || failed > 0) return { name, passed, failed, skipped, failures }
  return { name, passed, failed: 1, skipped, failures: [`${name}: ${exitFailure}, but no test failed`] }
}

/**
 * Reads what `jest --json` writes.
 *
 * @param {JestResults} results
 */
export const jestCounts = (results) => ({
  passed: results.numPassedTests,
  // A file that does not load has no test, and counts as one failure.
  failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
  skipped: results.numPendingTests + results.numTodoTests,
  failures: results.testResults.flatMap(({ name, message, assertionResults }) => {
    const failed = assertionResults.filter(({ status }) => status === 'failed')
    if (failed.length > 0) return failed.map(({ fullName }) => `${name}: ${fullName}`)
    const firstLine = message.trim().split('\n')[0] ?? ''
    return firstLine === '' ? [] : [`${name}: ${firstLine}`]
  }),
})

/**
 * @typedef {object} JestResults The part of jest's report that is read here.
 * @property {number} numPassedTests
 * @property {number} numFailedTests
 * @property {number} numPendingTests
 * @property {number} numTodoTests
 * @property {number} numRuntimeErrorTestSuites
 * @property {readonly { name: string, message: string,
 *   assertionResults: readonly { status: string, fullName: string }[] }[]} testResults
 */

/**
 * @param {readonly SuiteResult[]} results
 * @param {{ isEverythingRequired: boolean }} options Whether a test that did not run is as bad as one that failed.
 * @returns {Summary}
 */
export const summarize = (results, { isEverythingRequired }) => {
  const total = (/** @type {'passed' | 'failed' | 'skipped'} */ kind) =>
    results.reduce((sum, result) => sum + result[kind], 0)
  const incomplete = results.filter(isIncomplete)
  const isBad = total('failed') > 0 || (isEverythingRequired && incomplete.length > 0)
  return {
    lines: [
      ...table(results),
      ...results.flatMap(({ failures }) => failures.map((failure) => `failed: ${failure}`)),
      ...incomplete.flatMap(incompleteLines),
      ...(isEverythingRequired && incomplete.length > 0
        ? ['CI and NBD_REQUIRE=all require every test: this is a failure.']
        : []),
      `${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped`,
    ],
    exitCode: isBad ? 1 : 0,
  }
}

/** @param {SuiteResult} result */
const isIncomplete = ({ passed, failed, skipped }) => skipped > 0 || passed + failed === 0

/** @param {SuiteResult} result */
const incompleteLines = ({ name, passed, failed, skipped, didNotRun, remedy }) => {
  const what =
    didNotRun !== undefined
      ? `did not run: ${didNotRun}`
      : passed + failed + skipped === 0
        ? 'ran no test'
        : `skipped ${skipped}`
  return [`${name} ${what}`, ...(remedy === undefined ? [] : [`  to run all of it: ${remedy}`])]
}

/** @param {readonly SuiteResult[]} results */
const table = (results) => {
  const rows = [
    ['suite', 'passed', 'failed', 'skipped'],
    ...results.map(({ name, passed, failed, skipped, didNotRun }) =>
      didNotRun === undefined
        ? [name, `${passed}`, `${failed}`, `${skipped}`]
        : [name, '-', '-', 'did not run'],
    ),
  ]
  const nameWidth = Math.max(...rows.map(([name = '']) => name.length))
  return rows.map(([name = '', ...counts]) =>
    [name.padEnd(nameWidth), ...counts.map((count) => count.padStart(8))].join('  '),
  )
}
