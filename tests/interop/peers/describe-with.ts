import { describe, it } from '@jest/globals'
import { isEverythingRequired } from '../../../scripts/required.mjs'
import { type Installation, missingPrograms, type Program } from './installation.js'

export interface Need {
  readonly programs: readonly Program[]
  readonly installation: Installation
}

/**
 * Declares a group of tests that needs programs. If one is missing, the group fails if all peers are required, and is
 * skipped otherwise; the name of the group says how to install the program.
 */
export const describeWith = (name: string, { programs, installation }: Need, body: () => void): void => {
  const missing = missingPrograms(programs, installation)
  if (missing === undefined) {
    describe(name, body)
  } else if (isEverythingRequired(process.env)) {
    it(name, () => {
      throw new Error(missing)
    })
  } else {
    describe.skip(`${name} [${missing}]`, body)
  }
}
