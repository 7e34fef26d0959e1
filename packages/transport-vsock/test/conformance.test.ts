import net from 'node:net'
import { it } from '@jest/globals'
import { describeTransport, peerServerOptions, serverListener, type TransportSetup } from '@nbdjs/conformance'
import type { Syscalls } from '../src/syscalls.js'
import { VsockTransport } from '../src/vsock.js'
import { inetSyscalls } from './inet.js'
import { describeOnLinux } from './on-linux.js'
import { platformOf } from './platforms.js'

// Real, except for the family: sockets of a TCP port, adopted as vsocks are. The vsock itself passes the same suite in
// tests/vsock-vm.

const loopback = (port: number, syscalls: Syscalls = inetSyscalls()): VsockTransport =>
  new VsockTransport(
    { cid: 1, port },
    {},
    platformOf('linux', () => syscalls),
  )

async function listening(): Promise<{ server: net.Server; port: number }> {
  const server = net.createServer(peerServerOptions)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as net.AddressInfo).port }
}

const setup: TransportSetup = {
  async listen() {
    const { server, port } = await listening()
    return serverListener(server, loopback(port))
  },

  async refused() {
    const { server, port } = await listening()
    await new Promise((resolve) => server.close(resolve))
    return loopback(port)
  },

  async silent() {
    const { server, port } = await listening()
    // TCP answers by itself: poll hides it.
    server.on('connection', (socket) => socket.destroy())
    const transport = loopback(port, { ...inetSyscalls(), pollWritable: () => ({ value: 0 }) })
    return { transport, close: () => new Promise((resolve) => server.close(() => resolve())) }
  },
}

describeTransport('an adopted socket', setup, { describe: describeOnLinux, it })
