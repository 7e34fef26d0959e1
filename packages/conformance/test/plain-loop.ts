// Runs the suite without a test runner, over memory or over a transport that is broken in the named way, and
// prints a line of JSON for each result: run by plain-loop.test.ts in a process of its own.
import { runScenarios, transportScenarios } from '@nbdjs/conformance'
import type { Connection } from '@nbdjs/core'
import { AlteredConnection } from './altered-connection.js'
import { memorySetup } from './memory-setup.js'

class Throwing extends AlteredConnection {
  override destroy(reason?: Error): void {
    super.destroy(reason)
    if (reason !== undefined) {
      setTimeout(() => {
        throw reason
      })
    }
  }
}

class Rejecting extends AlteredConnection {
  override destroy(reason?: Error): void {
    super.destroy(reason)
    if (reason !== undefined) void Promise.reject(reason)
  }
}

const alterations: Readonly<Record<string, (inner: Connection) => Connection>> = {
  none: (inner) => inner,
  throwing: (inner) => new Throwing(inner),
  rejecting: (inner) => new Rejecting(inner),
}

const [alteration = 'none', start = ''] = process.argv.slice(2)
const connection = alterations[alteration] ?? ((inner) => inner)
const scenarios = transportScenarios().filter(({ name }) => name.startsWith(start))

await runScenarios(scenarios, memorySetup({ connection }), ({ name, error }) => {
  console.log(JSON.stringify({ name, error: error === undefined ? null : String(error) }))
})
