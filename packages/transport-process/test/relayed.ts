import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type Listener, peerServerOptions, serverListener } from '@nbdjs/conformance'
import type { Transport } from '@nbdjs/core'

const relay = fileURLToPath(new URL('./relay.mjs', import.meta.url))

/** A listener of the suite: each process of a transport relays its bytes to it. */
export async function relayed(
  way: 'command' | 'activation',
  transport: (argv: readonly string[]) => Transport,
): Promise<Listener> {
  const server = createServer(peerServerOptions)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return serverListener(server, transport([process.execPath, relay, String(port), way]))
}
