import { describe, it } from '@jest/globals'
import { isEverythingRequired } from '../../../scripts/required.mjs'
import { type Installation, missingPrograms, type Program } from './installation.js'

export interface Need {
  readonly programs: readonly Program[]
  readonly installation: Installation
}

/**
 * A group of tests that needs programs of others'. Where one is missing, the group fails if everything is
 * required, and is skipped elsewhere; its name tells the remedy either way.
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
