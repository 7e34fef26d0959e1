/**
 * A server that is none: it passes on what comes, in both directions and with half-closes, between its own socket
 * and a TCP port of 127.0.0.1, where a test decides what it says.
 *
 * `node relay.mjs PORT command` has descriptor 0 for a socket, `node relay.mjs PORT activation` listens on 3.
 */
import { connect, createServer, Socket } from 'node:net'

const [port, way] = process.argv.slice(2)

/** @param {Socket} client */
const relay = (client) => {
  const test = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
  for (const socket of [client, test]) socket.on('error', () => process.exit(1))
  client.pipe(test)
  test.pipe(client)
}

if (way === 'activation') {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    server.close()
    relay(client)
  })
  server.listen({ fd: 3 })
} else {
  relay(new Socket({ fd: 0, readable: true, writable: true, allowHalfOpen: true }))
}
