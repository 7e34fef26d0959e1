import { connectionPeer, type Peer, type TransportSetup } from '@nbdjs/conformance'
import type { Connection, Transport } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'

/** The parts that a test may put between the suite and the memory transport. */
export interface Alterations {
  readonly connection?: (inner: Connection) => Connection
  readonly transport?: (inner: Transport) => Transport
  readonly refused?: (inner: Transport) => Transport
  readonly silent?: (inner: Transport) => Transport
  readonly timeScale?: number
}

const same = <Value>(value: Value): Value => value

/** Its dial gets no answer and can be aborted. */
const silentTransport: Transport = {
  address: 'memory:silent',
  dial: ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    }),
}

const refusingTransport: Transport = inProcess(() => {
  throw new Error('refused by the test')
})

/** The setup of the memory transport, with the given alterations. */
export function memorySetup(alterations: Alterations = {}): TransportSetup {
  const { connection = same, transport = same, refused = same, silent = same, timeScale = 1 } = alterations
  return {
    listen: async () => {
      const accepted: Peer[] = []
      const inner = inProcess((far) => accepted.push(connectionPeer(far)))
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
