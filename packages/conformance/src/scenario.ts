import { ConformanceError, print } from './checks.js'
import { failOnStall } from './event-loop.js'
import type { Fixture } from './fixture.js'
import type { SuiteOptions } from './setup.js'

/** One rule of the contract and its test. */
export interface Scenario<Setup extends SuiteOptions> {
  /** The rule, such as `close: flushes all written bytes`. */
  readonly name: string
  /** The optional part of the setup without which the scenario cannot run. */
  readonly needs: keyof Setup | undefined
  /** The longest time that `run()` takes if `timeScale` is 1, in milliseconds. */
  readonly timeLimitMs: number
  /**
   * Tests the rule.
   *
   * @returns A promise that resolves if the transport keeps the rule. Otherwise it rejects, with a `ConformanceError`
   * where the suite itself has found the fault.
   */
  run(setup: Setup): Promise<void>
}

/** A scenario as it is written: the test itself, on a fixture that is new. */
export interface ScenarioBody<F extends Fixture> {
  readonly name: string
  readonly needs?: 'silent'
  readonly run: (fixture: F) => Promise<void>
}

/** The longest time without any event, in milliseconds. */
const stallLimitMs = 10_000

/** The longest time of one of the three steps of a scenario, in milliseconds. */
const stepLimitMs = 60_000

/** The body, the check of what it left, and the release after a failure. */
export const scenarioLimitMs: number = 3 * stepLimitMs

/** Runs the body, then releases everything, whether it passes or fails. */
export async function runScenario<F extends Fixture>(body: ScenarioBody<F>, fixture: F): Promise<void> {
  const limit = {
    stallMs: stallLimitMs * fixture.timeScale,
    // A small factor shortens only the time without an event: progress may be slow on every machine.
    totalMs: stepLimitMs * Math.max(1, fixture.timeScale),
    activity: () => fixture.activity,
    awaited: () => fixture.awaited,
  }
  const unhandled = new UnhandledErrors()
  let failure: unknown
  try {
    await failOnStall(limit, body.run(fixture))
    await failOnStall(limit, fixture.end())
  } catch (error) {
    failure = error
    await failOnStall(limit, fixture.clear()).catch(() => {})
  }
  unhandled.stop()
  const result = unhandled.addTo(failure)
  if (result !== undefined) throw result
}

const unhandledEvents = ['uncaughtException', 'unhandledRejection'] as const

interface ProcessEvents {
  on?(event: string, listener: (error: unknown) => void): unknown
  off?(event: string, listener: (error: unknown) => void): unknown
}

/**
 * Collects uncaught exceptions and unhandled rejections until `stop()`. A test runner that catches them first fails the
 * test by itself.
 */
class UnhandledErrors {
  readonly #errors: unknown[] = []
  readonly #process: ProcessEvents | undefined = (globalThis as { process?: ProcessEvents }).process
  readonly #listener = (error: unknown): void => {
    this.#errors.push(error)
  }

  constructor() {
    for (const event of unhandledEvents) this.#process?.on?.(event, this.#listener)
  }

  stop(): void {
    for (const event of unhandledEvents) this.#process?.off?.(event, this.#listener)
  }

  /** Returns `failure`, or an error that names the unhandled errors too, because they may be its cause. */
  addTo(failure: unknown): unknown {
    if (this.#errors.length === 0) return failure
    const message = `unhandled error: ${this.#errors.map(print).join('; ')}`
    if (failure === undefined) return new ConformanceError(message)
    return new ConformanceError(`${print(failure)}; and ${message}`, { cause: failure })
  }
}
