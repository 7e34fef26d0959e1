import { afterAll, describe, expect, it } from '@jest/globals'
import { transportScenarios } from '@nbdjs/conformance'
import { clearLeaks } from './leaks.js'
import { type Alterations, memorySetup } from './memory-setup.js'
import { mutantConnections } from './mutant-connections.js'
import { mutantTransports } from './mutant-transports.js'

afterAll(clearLeaks)

interface Mutant extends Alterations {
  readonly defect: string
  readonly scenario: string
  readonly message: RegExp
}

const mutants: readonly Mutant[] = [
  ...mutantConnections.map(({ alter, ...mutant }) => ({ ...mutant, connection: alter })),
  ...mutantTransports,
]

const scenarios = transportScenarios()

describe('the suite catches a transport that', () => {
  it.each(mutants)('$defect', async ({ scenario, message, ...alterations }) => {
    const found = scenarios.filter(({ name }) => name.startsWith(scenario))
    expect(found).toHaveLength(1)
    // The limits of time are short because all mutants run in this process: what they do takes turns of its event loop.
    // Which of the two is exceeded by a hanging connection depends on the load of the machine.
    const setup = memorySetup({ ...alterations, timeScale: 0.02 })
    await expect(found[0]?.run(setup)).rejects.toThrow(message)
  })
})

describe('a mutant exists for the scenario', () => {
  // plain-loop.test.ts has the mutants of this one.
  const testedElsewhere = 'errors: none is unhandled, before start() and after destroy()'
  const names = scenarios.map(({ name }) => name).filter((name) => name !== testedElsewhere)

  it.each(names)('%s', (name) => {
    expect(mutants.filter(({ scenario }) => name.startsWith(scenario))).not.toHaveLength(0)
  })
})
