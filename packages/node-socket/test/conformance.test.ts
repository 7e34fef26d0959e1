import { once } from 'node:events'
import net from 'node:net'
import { afterAll, describe, it } from '@jest/globals'
import {
  describeConnection,
  describeTransport,
  type Link,
  peerServerOptions,
  serverListener,
  socketPeer,
} from '@nbdjs/conformance'
import type { Transport } from '@nbdjs/core'
import { acceptedConnection, dialSocket } from '@nbdjs/node-socket'
import { listening, SocketFolder } from '@nbdjs/testing'
import { connecting } from './connecting.js'

const folder = new SocketFolder()
afterAll(() => folder.remove())

const dialling = (path: string): Transport => ({
  address: `unix:${path}`,
  dial: ({ signal }) => dialSocket({ address: `unix:${path}`, signal, create: connecting(path) }),
})

describeTransport(
  'dialSocket',
  {
    listen: async () => {
      const path = folder.freshPath()
      const server = await listening(net.createServer(peerServerOptions), path)
      return serverListener(server, dialling(path))
    },
    refused: async () => dialling(folder.freshPath()),
  },
  { describe, it },
)

/** A server's end under test, with the client's end as its peer. */
async function acceptedLink(server: net.Server, connect: () => net.Socket): Promise<Link> {
  const accepted = once(server, 'connection')
  const client = connect().pause()
  const [socket] = await accepted
  server.close()
  return { connection: acceptedConnection('the client', socket), peer: socketPeer(client) }
}

describeConnection(
  'acceptedConnection, unix',
  {
    link: async () => {
      const path = folder.freshPath()
      const server = await listening(net.createServer(peerServerOptions), path)
      return acceptedLink(server, () => net.connect({ path, allowHalfOpen: true }))
    },
  },
  { describe, it },
)

describeConnection(
  'acceptedConnection, TCP',
  {
    link: async () => {
      const server = net.createServer(peerServerOptions).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port, address: host } = server.address() as net.AddressInfo
      return acceptedLink(server, () => net.connect({ port, host, allowHalfOpen: true }))
    },
  },
  { describe, it },
)
