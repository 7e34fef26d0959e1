import { describe, it } from 'node:test'
import { describeTransport } from '@nbdjs/conformance'
import { vsock } from '@nbdjs/transport-vsock'
import { SilentMachine } from './silent-machine.js'
import { VsockListener } from './vsock-listener.js'

const LONG_MS = 60_000

describeTransport(
  'vsock',
  {
    listen: async () => new VsockListener(),

    async refused() {
      const listener = new VsockListener()
      await listener.close()
      return listener.transport
    },

    async silent() {
      const machine = new SilentMachine()
      return {
        transport: vsock(machine.cid, 1, { connectTimeoutMs: LONG_MS }),
        close: async () => machine.close(),
      }
    },

    // The processor is emulated.
    timeScale: 2,
  },
  { describe, it: (name, body, timeout) => it(name, { timeout }, body) },
)
