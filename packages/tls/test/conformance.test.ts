import type net from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type tls from 'node:tls'
import { afterAll, describe, it } from '@jest/globals'
import { type ConnectionSetup, connectionPeer, connectionScenarios, type Link } from '@nbdjs/conformance'
import type { SocketConnection } from '@nbdjs/node-socket'
import { nodeTls, nodeTlsServer } from '@nbdjs/tls'
import { Authority } from './credentials.js'
import { disguised, handover, type Pair, tcpPair } from './pair.js'

const authority = new Authority()
afterAll(() => authority.remove())

const server = nodeTlsServer(authority.issue())
const psk = { username: 'alice', key: new Uint8Array(32).fill(7) }

/** What Node counts below TLS, where the socket itself does not. */
const handleOf = (socket: net.Socket): { readonly bytesRead: number; readonly bytesWritten: number } =>
  (socket as unknown as { _handle: { bytesRead: number; bytesWritten: number } })._handle

/**
 * Waits until the client has a session ticket, which the server sends right after the handshake, and until each end
 * received what the other one sent: libuv reports a reset that arrives with data as the end of the peer.
 */
async function quiet({ sockets }: Pair, dialled: Link['connection']): Promise<void> {
  const { socket } = dialled as SocketConnection & { readonly socket: tls.TLSSocket }
  while (socket.getTLSTicket() === undefined) await nextTurn()
  const [client, server] = [handleOf(sockets.client), handleOf(sockets.server)]
  while (client.bytesRead < server.bytesWritten || server.bytesRead < client.bytesWritten) await nextTurn()
}

/** The two ends of a pair under TLS: the first one is under test, the other its peer. */
type Role = 'client' | 'server'

const linkOf = async (
  role: Role,
  pair: Pair,
  [client, peer]: readonly [Link['connection'], Link['connection']],
): Promise<Link> => {
  const [connection, other, raw] =
    role === 'client' ? [client, peer, pair.sockets.server] : [peer, client, pair.sockets.client]
  const far = connectionPeer(other)
  return {
    connection,
    peer: {
      write: (bytes) => far.write(bytes),
      read: () => far.read(),
      end: () => far.end(),
      // Below TLS, which comes to its end by that: Node crashes when both are destroyed in one turn.
      reset: () => {
        if (!raw.destroyed) raw.resetAndDestroy()
      },
    },
  }
}

const same = (connection: Link['connection']): Link['connection'] => connection
const kinds = {
  'TLS 1.3': [nodeTls({ ca: authority.ca, minVersion: 'TLSv1.3' }), server],
  'pre-shared key': [nodeTls({ psk }), nodeTlsServer({ psk: [psk] })],
} as const

/**
 * A connection cannot be paused, so that what the peer sends is read, and kept, between the TLS handshake and
 * `start()`. The core starts it at once, and an NBD server sends nothing that was not asked for.
 */
const beyondAnyConnection = 'start: no byte is read before it, and none is lost'

const ways = [
  { way: 'on the socket', of: same, leftOut: [] },
  { way: 'on any connection', of: disguised, leftOut: [beyondAnyConnection] },
]

describe.each(Object.entries(kinds))('%s', (_, [client, accept]) => {
  describe.each(ways)('$way', ({ of, leftOut }) => {
    describe.each(['client', 'server'] as const)('%s', (role) => {
      const setup: ConnectionSetup = {
        link: async () => {
          const pair = await tcpPair()
          const ends = await Promise.all([
            client.upgrade(handover(of(pair.client))),
            accept.upgrade(handover(of(pair.server))),
          ])
          await quiet(pair, ends[0])
          return linkOf(role, pair, ends)
        },
      }
      const scenarios = connectionScenarios()
      const names = scenarios.map(({ name }) => name)
      const unknown = leftOut.filter((name) => !names.includes(name))
      if (unknown.length > 0) throw new Error(`no such scenario: ${unknown.join(', ')}`)
      for (const { name, run, timeLimitMs } of scenarios) {
        if (!leftOut.includes(name)) it(name, () => run(setup), 3 * timeLimitMs)
      }
    })
  })
})
