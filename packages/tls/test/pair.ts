import { once } from 'node:events'
import net from 'node:net'
import type { Connection, TlsHandover, TlsProvider } from '@nbdjs/core'
import { acceptedConnection, socketConnection } from '@nbdjs/node-socket'

/** Two ends of one connection, in plaintext. */
export interface Pair {
  readonly client: Connection
  readonly server: Connection
  /** The sockets below. */
  readonly sockets: { readonly client: net.Socket; readonly server: net.Socket }
}

const listenOptions = { allowHalfOpen: true, pauseOnConnect: true } as const

/** A pair over TCP on the loopback interface, as the transports and the server make it. */
export async function tcpPair(): Promise<Pair> {
  const listener = net.createServer(listenOptions).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as net.AddressInfo
  const accepted = once(listener, 'connection')
  const client = socketConnection('the server', (onread) =>
    net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, onread }),
  )
  await once(client.socket, 'connect')
  const [socket] = (await accepted) as [net.Socket]
  listener.close()
  const server = acceptedConnection('the client', socket)
  return { client, server, sockets: { client: client.socket, server: socket } }
}

/** The same connection, but not a Node socket. */
export const disguised = (connection: Connection): Connection => ({
  start: (receiver) => connection.start(receiver),
  write: (chunks) => connection.write(chunks),
  close: () => connection.close(),
  destroy: (reason) => connection.destroy(reason),
})

/** What the core passes to a provider. */
export const handover = (connection: Connection, more: Partial<TlsHandover> = {}): TlsHandover => ({
  connection,
  original: connection,
  address: 'tcp://disk.example:10809',
  hostName: undefined,
  signal: new AbortController().signal,
  ...more,
})

export interface Upgraded {
  readonly client: Connection
  readonly server: Connection
}

/** Upgrades both ends of a pair. Rejects with the error of the client. */
export async function upgraded(
  pair: Pair,
  client: TlsProvider,
  server: TlsProvider,
  more: Partial<TlsHandover> = {},
): Promise<Upgraded> {
  const accepting = server.upgrade(handover(pair.server, { address: 'the client' }))
  accepting.catch(() => {})
  const dialled = await client.upgrade(handover(pair.client, more))
  return { client: dialled, server: await accepting }
}
