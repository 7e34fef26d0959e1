/** Parses the report of the tests in the virtual machine and decides whether they passed. */

/**
 * @typedef {object} Results
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {string[]} failures The names and errors of the failed tests.
 */

/** Parses the serial line in the Test Anything Protocol. Other lines, such as messages of the kernel, are ignored. */
export class TapReader {
  #passed = 0
  #skipped = 0
  /** @type {{ name: string, details: string[] }[]} */
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
    else if (this.#isAfterFailure && line.startsWith('# ')) this.#failed.at(-1)?.details.push(line.slice(2))
  }

  /** @param {RegExpExecArray} test */
  #takeTest([, not, number, name = '', directive]) {
    this.#seen += 1
    if (Number(number) !== this.#seen) {
      this.#faults.push(`test number: expected ${this.#seen}, received ${number} ("${name}")`)
    }
    this.#isAfterFailure = not !== undefined
    if (not !== undefined) this.#failed.push({ name, details: [] })
    else if (directive === undefined) this.#passed += 1
    else this.#skipped += 1
  }

  /**
   * @param {string | undefined} machineFault A fault of the machine as a whole.
   * @returns {Results} A run that is not complete counts as failed, even if all its tests passed.
   */
  results(machineFault) {
    const faults = [...this.#faults, ...(machineFault === undefined ? [] : [machineFault])]
    if (this.#planned === undefined) faults.push(`the plan is missing after ${this.#seen} tests`)
    else if (this.#planned !== this.#seen) {
      faults.push(`the plan has ${this.#planned} tests, ${this.#seen} were reported`)
    }
    if (this.#passed === 0) faults.push('no test passed')
    const failures = this.#failed.map(({ name, details }) => [name, ...details].join('\n'))
    return {
      passed: this.#passed,
      failed: this.#failed.length + faults.length,
      skipped: this.#skipped,
      failures: [...failures, ...faults.map((fault) => `virtual machine: ${fault}`)],
    }
  }
}
