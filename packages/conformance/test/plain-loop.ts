// Runs the suite without a test runner and prints each result as a line of JSON. plain-loop.test.ts starts it as a
// process. Arguments: the name of a mutant or `none`, and the start of the scenarios' names.
import { runScenarios, transportScenarios } from '@nbdjs/conformance'
import type { Connection } from '@nbdjs/core'
import { ForwardingConnection } from './forwarding-connection.js'
import { memorySetup } from './memory-setup.js'

class Throwing extends ForwardingConnection {
  override destroy(reason?: Error): void {
    super.destroy(reason)
    if (reason !== undefined) {
      setTimeout(() => {
        throw reason
      })
    }
  }
}

class Rejecting extends ForwardingConnection {
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
