import type { SuiteOptions } from './setup.js'
import type { Stage } from './stage.js'
import { withinTime } from './time-limit.js'
import { UnhandledErrors } from './unhandled.js'

/** One promise of the contract, and the way to see it kept or broken. */
export interface Scenario<Setup extends SuiteOptions> {
  /** What holds when it passes. */
  readonly name: string
  /** The part of the setup without which it cannot run. */
  readonly needs: keyof Setup | undefined
  /** How long it may take on an ordinary machine, in milliseconds: beyond that it hangs. */
  readonly timeLimitMs: number
  /** Resolves when the promise was kept, rejects when it was not: with a ConformanceError that tells how. */
  run(setup: Setup): Promise<void>
}

/** A scenario as it is written: what happens on the stage. */
export interface Script<Place extends Stage> {
  readonly name: string
  readonly needs?: 'silent'
  /** Default: 10 s. */
  readonly timeLimitMs?: number
  readonly play: (stage: Place) => Promise<void>
}

export const defaultTimeLimitMs = 10_000

/** Plays the script, then ends what is left of it; nothing is left open, whether it passed or failed. */
export async function perform<Place extends Stage>(script: Script<Place>, stage: Place): Promise<void> {
  const limitMs = (script.timeLimitMs ?? defaultTimeLimitMs) * stage.timeScale
  const hangs = (): string => `hangs: waited ${limitMs} ms for ${stage.progress}`
  const unhandled = new UnhandledErrors()
  let failure: unknown
  try {
    await withinTime(limitMs, script.play(stage), hangs)
    await withinTime(limitMs, stage.end(), hangs)
  } catch (error) {
    failure = error
    await withinTime(limitMs, stage.clear(), hangs).catch(() => {})
  }
  unhandled.stop()
  const explained = unhandled.explain(failure)
  if (explained !== undefined) throw explained
}
