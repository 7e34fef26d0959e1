import type { Scenario } from './scenario.js'
import { connectionScenarios, transportScenarios } from './scenarios.js'
import type { ConnectionSetup, SuiteOptions, TransportSetup } from './setup.js'

/** What is asked of a test runner: jest, vitest, mocha and `node:test` have it. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown
  /** A runner that does not take the time limit must itself allow a test a minute. */
  it(name: string, body: () => Promise<void>, timeLimitMs: number): unknown
}

/** Beyond the scenario's own limit, which names what it waited for. */
const marginMs = 5000

/**
 * Makes a test of each scenario of a transport. A scenario that needs a part which the setup lacks is left out.
 *
 * `runner` is by default what the test runner put into the global scope.
 */
export function describeTransport(
  name: string,
  setup: TransportSetup,
  runner: TestRunner = globalRunner(),
): void {
  describeScenarios(name, transportScenarios(), setup, runner)
}

/** As {@link describeTransport}, for connections that are not dialled: those that a server accepts. */
export function describeConnection(
  name: string,
  setup: ConnectionSetup,
  runner: TestRunner = globalRunner(),
): void {
  describeScenarios(name, connectionScenarios(), setup, runner)
}

/** The scenarios that this setup has all parts for. */
export function applicable<Setup extends SuiteOptions>(
  scenarios: readonly Scenario<Setup>[],
  setup: Setup,
): Scenario<Setup>[] {
  return scenarios.filter(({ needs }) => needs === undefined || setup[needs] !== undefined)
}

function describeScenarios<Setup extends SuiteOptions>(
  name: string,
  scenarios: readonly Scenario<Setup>[],
  setup: Setup,
  runner: TestRunner,
): void {
  runner.describe(name, () => {
    for (const scenario of applicable(scenarios, setup)) {
      // Once for the scenario, once for the clearing away when it hangs.
      const limitMs = 3 * scenario.timeLimitMs * (setup.timeScale ?? 1) + marginMs
      runner.it(scenario.name, () => scenario.run(setup), limitMs)
    }
  })
}

function globalRunner(): TestRunner {
  const { describe, it } = globalThis as Partial<TestRunner>
  if (typeof describe === 'function' && typeof it === 'function') return { describe, it }
  throw new TypeError('there is no describe and it in the global scope: pass those of your test runner')
}
