import { connectionPeer, type Peer, type TransportSetup } from '@nbdjs/conformance'
import type { Connection, Transport } from '@nbdjs/core'
import { memory } from '@nbdjs/core/memory'

/** What a test may put between the suite and the memory transport. */
export interface Alterations {
  readonly connection?: (inner: Connection) => Connection
  readonly transport?: (inner: Transport) => Transport
  readonly refused?: (inner: Transport) => Transport
  readonly silent?: (inner: Transport) => Transport
  readonly timeScale?: number
}

const same = <Value>(value: Value): Value => value

/** Answers nothing, and obeys the signal. */
const silentTransport: Transport = {
  address: 'memory:silent',
  dial: ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    }),
}

const refusingTransport: Transport = memory(() => {
  throw new Error('nobody is at home')
})

/** The setup of the memory transport, altered or not. */
export function memorySetup(alterations: Alterations = {}): TransportSetup {
  const { connection = same, transport = same, refused = same, silent = same, timeScale = 1 } = alterations
  return {
    listen: async () => {
      const accepted: Peer[] = []
      const inner = memory((far) => accepted.push(connectionPeer(far)))
      const dial: Transport['dial'] = async (options) => connection(await inner.dial(options))
      return {
        transport: transport({ address: inner.address, dial }),
        accept: async () => accepted.shift() as Peer,
        close: async () => {},
      }
    },
    refused: async () => refused(refusingTransport),
    silent: async () => ({ transport: silent(silentTransport), close: async () => {} }),
    timeScale,
  }
}
