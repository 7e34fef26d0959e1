import { once } from 'node:events'
import net from 'node:net'
import { describe, it } from '@jest/globals'
import { describeTransport, peerServerOptions, serverListener } from '@nbdjs/conformance'
import { myTransport } from './my-transport.js'

describeTransport(
  'myTransport',
  {
    // A server, and the transport that connects to it. Called for each scenario.
    listen: async () => {
      const server = net.createServer(peerServerOptions).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as net.AddressInfo
      return serverListener(server, myTransport(port))
    },
    // No server listens on this port.
    refused: async () => myTransport(1),
  },
  { describe, it },
)
