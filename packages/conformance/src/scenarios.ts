import { defaultTimeLimitMs, perform, type Scenario, type Script } from './scenario.js'
import { breaking } from './scenarios/breaking.js'
import { closing } from './scenarios/closing.js'
import { destroying } from './scenarios/destroying.js'
import { dialling } from './scenarios/dialling.js'
import { reading } from './scenarios/reading.js'
import { writing } from './scenarios/writing.js'
import type { ConnectionSetup, SuiteOptions, TransportSetup } from './setup.js'
import { ConnectionStage, type Stage, TransportStage } from './stage.js'

const connectionScripts: readonly Script<Stage>[] = [
  ...reading,
  ...writing,
  ...closing,
  ...destroying,
  ...breaking,
]

/** Everything that a transport must do: to dial, and what every connection must do. */
export function transportScenarios(): Scenario<TransportSetup>[] {
  const make = (setup: TransportSetup): TransportStage => new TransportStage(setup)
  return [
    ...dialling.map((script) => toScenario<TransportSetup, TransportStage>(script, make)),
    ...connectionScripts.map((script) => toScenario<TransportSetup, Stage>(script, make)),
  ]
}

/** Everything that a connection must do, however it came about. */
export function connectionScenarios(): Scenario<ConnectionSetup>[] {
  const make = (setup: ConnectionSetup): Stage => new ConnectionStage(setup)
  return connectionScripts.map((script) => toScenario<ConnectionSetup, Stage>(script, make))
}

function toScenario<Setup extends SuiteOptions, Place extends Stage>(
  script: Script<Place>,
  makeStage: (setup: Setup) => Place,
): Scenario<Setup> {
  const { name, needs, timeLimitMs = defaultTimeLimitMs } = script
  const run = (setup: Setup): Promise<void> => perform(script, makeStage(setup))
  return { name, needs: needs as keyof Setup | undefined, timeLimitMs, run }
}
