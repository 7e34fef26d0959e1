/** The ends of a connection, which every transport reports in the same way. */
import { once } from 'node:events'
import net from 'node:net'
import type tls from 'node:tls'
import { afterAll, afterEach, describe, expect, it } from '@jest/globals'
import { type Connection, NbdTransportError, type TlsHandover, type Transport } from '@nbdjs/core'
import { acceptedConnection, type SocketConnection } from '@nbdjs/node-socket'
import { RecordingReceiver, SocketFolder } from '@nbdjs/testing'
import { nodeTls, nodeTlsServer } from '@nbdjs/tls'
import { command, fd, socketActivation } from '@nbdjs/transport-process'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { hybridVsock } from '@nbdjs/transport-vsock'
import { socketPair } from '../../packages/transport-process/test/descriptors.js'

/** A connection, not started, and the means to end it from the other side. */
interface Link {
  readonly connection: Connection
  /** Ends the peer's direction. */
  end(): void
  /** Breaks the connection: the peer does not read what was sent. */
  reset(): void
  /** The Node socket that the connection reads from. */
  readonly socket: net.Socket | undefined
}

const { signal } = new AbortController()
const folder = new SocketFolder()
const cleanups: (() => void)[] = []
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean()
})
afterAll(() => folder.remove())

/** A server on TCP or a unix socket, and the next socket that it accepts. */
async function listen(
  where: net.ListenOptions,
): Promise<{ server: net.Server; accepted: Promise<net.Socket> }> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true })
  const accepted = once(server, 'connection').then(([socket]: net.Socket[]) => {
    socket?.on('error', () => {})
    cleanups.push(() => socket?.destroy())
    return socket as net.Socket
  })
  server.listen(where)
  await once(server, 'listening')
  cleanups.push(() => server.close())
  return { server, accepted }
}

const socketOf = (connection: Connection): net.Socket => (connection as SocketConnection).socket

async function dial(transport: Transport, accepted: Promise<net.Socket>): Promise<Link> {
  const [connection, peer] = await Promise.all([transport.dial({ signal }), accepted])
  return {
    connection,
    end: () => peer.end(),
    // TCP has a reset; on a unix socket unread bytes make one of the end.
    reset: () => (peer.remoteAddress === undefined ? peer.destroy() : peer.resetAndDestroy()),
    socket: socketOf(connection),
  }
}

async function tcpLink(): Promise<Link> {
  const { server, accepted } = await listen({ port: 0, host: '127.0.0.1' })
  return dial(tcp('127.0.0.1', (server.address() as net.AddressInfo).port), accepted)
}

async function unixLink(): Promise<Link> {
  const path = folder.freshPath()
  const { accepted } = await listen({ path })
  return dial(unix(path), accepted)
}

async function hybridLink(): Promise<Link> {
  const path = folder.freshPath()
  const { accepted } = await listen({ path })
  void accepted.then(async (socket) => {
    await once(socket, 'readable')
    socket.read()
    socket.write('OK 1\n')
  })
  return dial(hybridVsock(path, 52), accepted)
}

async function fdLink(): Promise<Link> {
  const [ours, theirs] = socketPair()
  const peer = new net.Socket({ fd: theirs, readable: true, writable: true, allowHalfOpen: true }).pause()
  peer.on('error', () => {})
  cleanups.push(() => peer.destroy())
  return dial(fd(ours), Promise.resolve(peer))
}

const psk = { username: 'alice', key: new Uint8Array(32).fill(7) }
const handover = (connection: Connection): TlsHandover => ({
  connection,
  original: connection,
  address: 'tcp://disk.example:10809',
  hostName: undefined,
  signal,
})

const disguised = (connection: Connection): Connection => ({
  start: (receiver) => connection.start(receiver),
  write: (chunks) => connection.write(chunks),
  close: () => connection.close(),
  destroy: (reason) => connection.destroy(reason),
})

const tlsLink = (of: (connection: Connection) => Connection) => async (): Promise<Link> => {
  const { server, accepted } = await listen({ port: 0, host: '127.0.0.1' })
  const transport = tcp('127.0.0.1', (server.address() as net.AddressInfo).port)
  const [plain, peer] = await Promise.all([transport.dial({ signal }), accepted])
  const [connection, other] = await Promise.all([
    nodeTls({ psk }).upgrade(handover(of(plain))),
    nodeTlsServer({ psk: [psk] }).upgrade(handover(acceptedConnection('the client', peer))),
  ])
  const socket = socketOf(connection) as tls.TLSSocket
  // libuv reports a reset that arrives with data, such as a session ticket, as the end of the peer.
  while (socket.getTLSTicket() === undefined) await new Promise(setImmediate)
  other.start(new RecordingReceiver())
  cleanups.push(() => other.destroy())
  return { connection, end: () => void other.close(), reset: () => peer.resetAndDestroy(), socket }
}

/** A server that ends or breaks its connection for a byte that it gets. */
const program = (socket: string): readonly string[] => [
  process.execPath,
  '-e',
  `const net = require('node:net')
   const serve = (socket) => {
     socket.on('error', () => {}).write('+')
     socket.once('data', (byte) => {
       if (String(byte) === 'e') socket.end()
       else process.kill(process.pid, 'SIGKILL')
     })
     socket.on('end', () => { socket.end(); ${socket === '3' ? '' : 'process.exit()'} })
   }
   ${socket === '3' ? `net.createServer({ allowHalfOpen: true }, serve).listen({ fd: 3 })` : `serve(new net.Socket({ fd: 0, allowHalfOpen: true }))`}`,
]

const processLink = (transport: Transport) => async (): Promise<Link> => {
  const connection = await transport.dial({ signal })
  const send = (text: string): unknown => connection.write([Buffer.from(text)])
  return { connection, end: () => send('e'), reset: () => send('r'), socket: undefined }
}

const links: Readonly<Record<string, () => Promise<Link>>> = {
  TCP: tcpLink,
  unix: unixLink,
  'hybrid vsock': hybridLink,
  fd: fdLink,
  'TLS on the socket': tlsLink((connection) => connection),
  'TLS on any connection': tlsLink(disguised),
  command: processLink(command(program('0'))),
  'socket activation': processLink(socketActivation(program('3'))),
}

const isClosed = (name: string): boolean => name === 'closed'

describe.each(Object.entries(links))('%s', (name, link) => {
  const isProcess = name === 'command' || name === 'socket activation'

  async function started(): Promise<Link & { receiver: RecordingReceiver }> {
    const made = await link()
    const receiver = new RecordingReceiver()
    made.connection.start(receiver)
    cleanups.push(() => made.connection.destroy())
    if (isProcess) await receiver.until(() => receiver.text === '+')
    return { ...made, receiver }
  }

  /** closed() was the last call and the only one of its kind, whatever is done afterwards. */
  async function expectLast(connection: Connection, { calls }: RecordingReceiver): Promise<void> {
    await connection.close()
    connection.destroy(new Error('too late'))
    await connection.close()
    await new Promise(setImmediate)
    expect(calls.filter(isClosed)).toHaveLength(1)
    expect(calls.at(-1)).toBe('closed')
  }

  it('an end of the peer is ended(), and closed() without an error after close()', async () => {
    const { connection, end, receiver } = await started()
    end()
    await receiver.untilCalled('ended')
    expect(receiver.calls.some(isClosed)).toBe(false)
    const closing = connection.close()
    expect(await receiver.closedWith).toBeUndefined()
    await closing
    expect(receiver.calls.filter((call) => call === 'ended')).toHaveLength(1)
    await expectLast(connection, receiver)
  })

  it('a reset is closed() with a NbdTransportError of errno ECONNRESET', async () => {
    const { connection, reset, receiver } = await started()
    // Unread by the peer.
    if (!isProcess) connection.write([new Uint8Array(10)])
    await new Promise(setImmediate)
    reset()
    const error = await receiver.closedWith
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({ operation: expect.stringMatching(/^(read|write)$/), errno: 'ECONNRESET' })
    if (!isProcess) expect(nativeCode(error)).toBe('ECONNRESET')
    await expectLast(connection, receiver)
  })

  if (!isProcess) {
    it('a timeout of the system is closed() with a NbdTransportError of errno ETIMEDOUT', async () => {
      const { connection, socket, receiver } = await started()
      const cause = Object.assign(new Error('read ETIMEDOUT'), { code: 'ETIMEDOUT', syscall: 'read' })
      socket?.destroy(cause)
      const error = await receiver.closedWith
      expect(error).toBeInstanceOf(NbdTransportError)
      expect(error).toMatchObject({ operation: 'read', errno: 'ETIMEDOUT', cause })
      await expectLast(connection, receiver)
    })
  }

  it('destroy(reason) is closed(reason), with the peer there or gone', async () => {
    const reason = new Error('enough')
    const { connection, receiver } = await started()
    connection.destroy(reason)
    expect(await receiver.closedWith).toBe(reason)
    await expectLast(connection, receiver)
    const { connection: second, end, receiver: receiverOfSecond } = await started()
    end()
    await receiverOfSecond.untilCalled('ended')
    second.destroy(reason)
    expect(await receiverOfSecond.closedWith).toBe(reason)
    await expectLast(second, receiverOfSecond)
  })
})

/** The code of the first error in the chain of causes that is not ours. */
function nativeCode(error: unknown): unknown {
  let current = error as { readonly cause?: unknown } | undefined
  while (current instanceof NbdTransportError) current = current.cause as typeof current
  return (current as NodeJS.ErrnoException | undefined)?.code
}
