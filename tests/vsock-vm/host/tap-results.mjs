/** Reads what the tests in the virtual machine report, and decides whether they passed. */

/**
 * @typedef {object} Results
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {string[]} failures What failed, and why, for people.
 */

/**
 * Takes the serial line, line by line, in the Test Anything Protocol. Lines that are none of it (a message of
 * the kernel) are let pass.
 */
export class TapReader {
  #passed = 0
  #skipped = 0
  /** @type {{ name: string, why: string[] }[]} */
  #failed = []
  /** @type {number | undefined} */
  #planned
  #seen = 0
  /** @type {string[]} */
  #faults = []
  #isAfterFailure = false

  /** @param {string} line */
  take(line) {
    const plan = /^1\.\.(\d+)$/.exec(line)
    if (plan !== null) {
      this.#planned = Number(plan[1])
      this.#isAfterFailure = false
    }
    const test = /^(not )?ok (\d+) - (.*?)(?: # (SKIP|TODO).*)?$/.exec(line)
    if (test !== null) this.#takeTest(test)
    else if (this.#isAfterFailure && line.startsWith('# ')) this.#failed.at(-1)?.why.push(line.slice(2))
  }

  /** @param {RegExpExecArray} test */
  #takeTest([, not, number, name = '', directive]) {
    this.#seen += 1
    if (Number(number) !== this.#seen) {
      this.#faults.push(`test ${this.#seen} was expected, and number ${number} reported: "${name}"`)
    }
    this.#isAfterFailure = not !== undefined
    if (not !== undefined) this.#failed.push({ name, why: [] })
    else if (directive === undefined) this.#passed += 1
    else this.#skipped += 1
  }

  /**
   * @param {string | undefined} mishap What else went wrong with the machine as a whole.
   * @returns {Results} A run that did not come to its end has failed, whatever passed before.
   */
  results(mishap) {
    const faults = [...this.#faults, ...(mishap === undefined ? [] : [mishap])]
    if (this.#planned === undefined) faults.push(`the closing line is missing after ${this.#seen} tests`)
    else if (this.#planned !== this.#seen) {
      faults.push(`the closing line speaks of ${this.#planned} tests, ${this.#seen} were reported`)
    }
    if (this.#passed === 0) faults.push('no test passed')
    const failures = this.#failed.map(({ name, why }) => [name, ...why].join('\n'))
    return {
      passed: this.#passed,
      failed: this.#failed.length + faults.length,
      skipped: this.#skipped,
      failures: [...failures, ...faults.map((fault) => `virtual machine: ${fault}`)],
    }
  }
}
