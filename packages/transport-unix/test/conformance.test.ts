import net from 'node:net'
import { afterAll, describe, it } from '@jest/globals'
import { describeTransport, peerServerOptions, serverListener } from '@nbdjs/conformance'
import { listening, SocketFolder } from '@nbdjs/testing'
import { unix } from '@nbdjs/transport-unix'

const folder = new SocketFolder()
afterAll(() => folder.remove())

describeTransport(
  'unix',
  {
    listen: async () => {
      const path = folder.freshPath()
      const server = net.createServer(peerServerOptions)
      await listening(server, path)
      return serverListener(server, unix(path))
    },
    refused: async () => unix(folder.freshPath()),
  },
  { describe, it },
)
