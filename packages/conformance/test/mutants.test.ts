import { afterAll, describe, expect, it } from '@jest/globals'
import { transportScenarios } from '@nbdjs/conformance'
import { brokenConnections } from './broken-connections.js'
import { brokenTransports } from './broken-transports.js'
import { clearLeaks } from './leaks.js'
import { type Alterations, memorySetup } from './memory-setup.js'

afterAll(clearLeaks)

interface Mutant extends Alterations {
  readonly does: string
  readonly scenario: string
  readonly message: RegExp
}

const mutants: readonly Mutant[] = [
  ...brokenConnections.map(({ alter, ...mutant }) => ({ ...mutant, connection: alter })),
  ...brokenTransports,
]

const scenarios = transportScenarios()

/** What is found by waiting is found sooner so; all else must not depend on how fast the machine is. */
const timeScaleOf = ({ source }: RegExp): number => (/hangs|left open/.test(source) ? 0.05 : 1)

describe('the suite catches a transport that', () => {
  it.each(mutants)('$does', async ({ scenario, message, ...alterations }) => {
    const found = scenarios.filter(({ name }) => name.startsWith(scenario))
    expect(found).toHaveLength(1)
    const setup = memorySetup({ ...alterations, timeScale: timeScaleOf(message) })
    await expect(found[0]?.run(setup)).rejects.toThrow(message)
  })
})

describe('a broken transport is tried on the scenario', () => {
  // In a process of its own: see unhandled.test.ts.
  const triedElsewhere = 'errors: none goes unhandled, before start() and after destroy()'
  const names = scenarios.map(({ name }) => name).filter((name) => name !== triedElsewhere)

  it.each(names)('%s', (name) => {
    expect(mutants.filter(({ scenario }) => name.startsWith(scenario))).not.toHaveLength(0)
  })
})
