import { argumentError } from '@nbdjs/core'
import { ConnectionFixture, type Fixture, TransportFixture } from './fixture.js'
import { runScenario, type Scenario, type ScenarioBody, scenarioLimitMs } from './scenario.js'
import { closeScenarios } from './scenarios/close.js'
import { destroyScenarios } from './scenarios/destroy.js'
import { dialScenarios } from './scenarios/dial.js'
import { readScenarios } from './scenarios/read.js'
import { resetScenarios } from './scenarios/reset.js'
import { writeScenarios } from './scenarios/write.js'
import {
  type ConnectionSetup,
  checkConnectionSetup,
  checkTransportSetup,
  type SuiteOptions,
  type TransportSetup,
} from './setup.js'

const connectionBodies: readonly ScenarioBody<Fixture>[] = [
  ...readScenarios,
  ...writeScenarios,
  ...closeScenarios,
  ...destroyScenarios,
  ...resetScenarios,
]

/**
 * Returns all scenarios for a transport: those of its dial, and those of {@link connectionScenarios}.
 *
 * @example
 * await runScenarios(transportScenarios(), setup, ({ name, error }) => console.log(name, error ?? 'passed'))
 */
export function transportScenarios(): Scenario<TransportSetup>[] {
  const fixture = (setup: TransportSetup): TransportFixture => new TransportFixture(setup)
  return [
    ...dialScenarios.map((body) => toScenario<TransportSetup, TransportFixture>(body, fixture)),
    ...connectionBodies.map((body) => toScenario<TransportSetup, Fixture>(body, fixture)),
  ]
}

/** Returns all scenarios for a connection, whether it was dialled or accepted. */
export function connectionScenarios(): Scenario<ConnectionSetup>[] {
  const fixture = (setup: ConnectionSetup): Fixture => new ConnectionFixture(setup)
  return connectionBodies.map((body) => toScenario<ConnectionSetup, Fixture>(body, fixture))
}

function toScenario<Setup extends SuiteOptions, F extends Fixture>(
  body: ScenarioBody<F>,
  makeFixture: (setup: Setup) => F,
): Scenario<Setup> {
  return {
    name: body.name,
    needs: body.needs as keyof Setup | undefined,
    timeLimitMs: scenarioLimitMs,
    run: async (setup) => runScenario(body, makeFixture(setup)),
  }
}

/** The two functions of a test runner that the suite uses. jest, vitest, mocha and `node:test` have them. */
export interface TestRunner {
  /** Declares a group of tests. */
  describe(name: string, body: () => void): unknown
  /** Declares a test. A runner that ignores `timeLimitMs` must allow each test a minute. */
  it(name: string, body: () => Promise<void>, timeLimitMs: number): unknown
}

/** Added to the limit of a scenario, so that its own message is seen first. */
const runnerMarginMs = 5000

/**
 * Declares a test for each scenario of a transport. A scenario that needs an optional part of the setup is omitted if
 * the setup lacks it.
 *
 * @param name The name of the group of tests.
 * @param setup Makes listeners and transports, see {@link TransportSetup}.
 * @param runner The functions of the test runner. Default: the global `describe` and `it`.
 * @throws {NbdUsageError} A part of the setup is missing, unknown or of the wrong type; or `runner` is omitted, and there
 * is no global `describe` and `it`.
 * @example
 * describeTransport('tcp', { listen, refused }, { describe, it })
 */
export function describeTransport(
  name: string,
  setup: TransportSetup,
  runner: TestRunner = globalRunner(),
): void {
  checkTransportSetup(setup)
  describeScenarios(name, transportScenarios(), setup, runner)
}

/**
 * Declares a test for each scenario of a connection that is not dialled, such as one that a server accepts.
 *
 * @param name The name of the group of tests.
 * @param setup Makes connections and their peers, see {@link ConnectionSetup}.
 * @param runner The functions of the test runner. Default: the global `describe` and `it`.
 * @throws {NbdUsageError} A part of the setup is missing, unknown or of the wrong type; or `runner` is omitted, and there
 * is no global `describe` and `it`.
 */
export function describeConnection(
  name: string,
  setup: ConnectionSetup,
  runner: TestRunner = globalRunner(),
): void {
  checkConnectionSetup(setup)
  describeScenarios(name, connectionScenarios(), setup, runner)
}

function describeScenarios<Setup extends SuiteOptions>(
  name: string,
  scenarios: readonly Scenario<Setup>[],
  setup: Setup,
  runner: TestRunner,
): void {
  runner.describe(name, () => {
    for (const scenario of scenarios) {
      if (missingPart(scenario, setup) !== undefined) continue
      const limitMs = scenario.timeLimitMs * Math.max(1, setup.timeScale ?? 1) + runnerMarginMs
      runner.it(scenario.name, () => scenario.run(setup), limitMs)
    }
  })
}

function globalRunner(): TestRunner {
  const { describe, it } = globalThis as Partial<TestRunner>
  if (typeof describe === 'function' && typeof it === 'function') return { describe, it }
  const expected = 'the describe and it of your test runner, because there are no global ones'
  throw argumentError('describeTransport', 'runner', expected, undefined)
}

/** The result of one scenario. */
export interface ScenarioResult {
  /** The name of the scenario. */
  readonly name: string
  /** The fault, or `undefined` if the scenario passed or was skipped. */
  readonly error: unknown
  /** Why the scenario was skipped, or `undefined` if it ran. */
  readonly skipReason: string | undefined
  /** The duration in milliseconds. */
  readonly durationMs: number
}

/**
 * Runs scenarios one after the other, without a test runner. A scenario that needs an optional part of the setup is
 * skipped if the setup lacks it.
 *
 * @param scenarios The list of {@link transportScenarios} or {@link connectionScenarios}, or a part of it.
 * @param setup Makes connections and their peers.
 * @param report Called with each result as soon as it is known.
 * @returns All results, in the order of the scenarios.
 */
export async function runScenarios<Setup extends SuiteOptions>(
  scenarios: readonly Scenario<Setup>[],
  setup: Setup,
  report: (result: ScenarioResult) => void = () => {},
): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = []
  for (const scenario of scenarios) {
    const result = await resultOf(scenario, setup)
    results.push(result)
    report(result)
  }
  return results
}

async function resultOf<Setup extends SuiteOptions>(
  scenario: Scenario<Setup>,
  setup: Setup,
): Promise<ScenarioResult> {
  const { name } = scenario
  const missing = missingPart(scenario, setup)
  if (missing !== undefined) {
    return { name, error: undefined, skipReason: `the setup has no ${missing}()`, durationMs: 0 }
  }
  const startedAt = performance.now()
  const error = await scenario.run(setup).then(
    () => undefined,
    (reason: unknown) => reason ?? new Error(`rejected with ${reason}`),
  )
  return { name, error, skipReason: undefined, durationMs: performance.now() - startedAt }
}

function missingPart<Setup extends SuiteOptions>(
  { needs }: Scenario<Setup>,
  setup: Setup,
): string | undefined {
  return needs === undefined || setup[needs] !== undefined ? undefined : String(needs)
}
