import { applicable } from './describe-transport.js'
import type { Scenario } from './scenario.js'
import type { SuiteOptions } from './setup.js'

export interface ScenarioResult {
  readonly name: string
  /** Why it failed; `undefined` when it passed. */
  readonly error: unknown
  readonly durationMs: number
}

/**
 * Runs scenarios without a test runner, one after the other, and tells each result as soon as it is known. A
 * scenario that needs a part which the setup lacks is left out.
 */
export async function runScenarios<Setup extends SuiteOptions>(
  scenarios: readonly Scenario<Setup>[],
  setup: Setup,
  report: (result: ScenarioResult) => void = () => {},
): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = []
  for (const scenario of applicable(scenarios, setup)) {
    const result = await runScenario(scenario, setup)
    results.push(result)
    report(result)
  }
  return results
}

async function runScenario<Setup extends SuiteOptions>(
  scenario: Scenario<Setup>,
  setup: Setup,
): Promise<ScenarioResult> {
  const startedAt = performance.now()
  const error = await scenario.run(setup).then(
    () => undefined,
    (reason: unknown) => reason ?? new Error(`rejected with ${reason}`),
  )
  return { name: scenario.name, error, durationMs: performance.now() - startedAt }
}
