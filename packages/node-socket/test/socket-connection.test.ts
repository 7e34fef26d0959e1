import { once } from 'node:events'
import net from 'node:net'
import { afterAll, afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { type Connection, NbdStateError } from '@nbdjs/core'
import {
  acceptedConnection,
  dialSocket,
  releaseSocket,
  type SocketConnection,
  socketConnection,
} from '@nbdjs/node-socket'
import { listening, RecordingReceiver, SocketFolder, settlePromises } from '@nbdjs/testing'
import { DISCARD_FROM, discardChunk } from '../src/socket-connection.js'
import { connecting } from './connecting.js'

const { signal } = new AbortController()
const folder = new SocketFolder()
afterAll(() => folder.remove())

let server: net.Server
let connection: SocketConnection
let peer: net.Socket

beforeEach(async () => {
  const path = folder.freshPath()
  server = await listening(net.createServer({ allowHalfOpen: true, pauseOnConnect: true }), path)
  const accepted = once(server, 'connection')
  connection = await dialSocket({ address: `unix:${path}`, signal, create: connecting(path) })
  ;[peer] = await accepted
})

afterEach(async () => {
  connection.destroy()
  peer.destroy()
  await once(server.close(), 'close')
})

describe('start', () => {
  it('rejects a second call', () => {
    connection.start(new RecordingReceiver())
    const again = (): void => connection.start(new RecordingReceiver())
    expect(again).toThrow(NbdStateError)
    expect(again).toThrow(`start() was called twice on the connection to ${connection.address}`)
  })

  it('is needed before a byte is read', async () => {
    peer.write('hello')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(connection.socket.bytesRead).toBe(0)
  })

  it('after destroy(): the receiver gets closed() with the reason', async () => {
    const reason = new Error('changed my mind')
    connection.destroy(reason)
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    expect(receiver.calls).toEqual([])
    expect(await receiver.closedWith).toBe(reason)
    expect(receiver.calls).toEqual(['closed'])
  })

  it('after the end: the receiver gets closed(), but not inside start()', async () => {
    await connection.close()
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    expect(receiver.calls).toEqual([])
    expect(await receiver.closedWith).toBeUndefined()
  })
})

describe('reading', () => {
  it("copies the first byte, and reads all others into the receiver's memory", async () => {
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    peer.end('hello')
    await once(connection.socket, 'end')
    expect(receiver.text).toBe('hello')
    expect(receiver.calls).toEqual(['received 1', 'received 4', 'ended'])
  })
})

describe('write', () => {
  it('passes all chunks of a call to the system at once', () => {
    connection.start(new RecordingReceiver())
    const socket = connection.socket as unknown as { _writev(chunks: readonly unknown[]): void }
    const writev = jest.spyOn(socket, '_writev')
    connection.write(['a', 'b', 'c'].map((text) => new TextEncoder().encode(text)))
    expect(writev).toHaveBeenCalledTimes(1)
    expect(writev.mock.calls[0]?.[0]).toHaveLength(3)
  })

  it('A1: returns true once the system took every chunk, and calls no drained()', async () => {
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    expect(connection.write([new Uint8Array(1000)])).toBe(true)
    expect(connection.write([new Uint8Array(20_000), new Uint8Array(20_000)])).toBe(true)
    expect(connection.socket.writableLength).toBe(0)
    await settlePromises()
    expect(receiver.calls).toEqual([])
  })

  it('A1: returns false while Node holds a chunk, however short, and calls drained() once it holds none', async () => {
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    const chunk = new Uint8Array(256 * 1024).fill(1)
    let length = chunk.length
    while (connection.write([chunk])) length += chunk.length
    expect(connection.write([Uint8Array.of(1), Uint8Array.of(1)])).toBe(false)
    expect(receiver.calls).toEqual([])
    receiver.drained = () => {
      chunk.fill(0xee)
      RecordingReceiver.prototype.drained.call(receiver)
    }
    const received: Buffer[] = []
    peer.on('data', (bytes: Buffer) => received.push(bytes)).resume()
    await receiver.untilCalled('drained')
    expect(connection.socket.writableLength).toBe(0)
    connection.destroy()
    await once(peer, 'end')
    expect(receiver.calls).toEqual(['drained', 'closed'])
    expect(Buffer.compare(Buffer.concat(received), Buffer.alloc(length + 2, 1))).toBe(0)
  })
})

describe('closed', () => {
  it('maps the native error and keeps it as the cause', async () => {
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    const cause = Object.assign(new Error('read EIO'), { code: 'EIO', syscall: 'read' })
    connection.socket.destroy(cause)
    const error = await receiver.closedWith
    expect(error).toMatchObject({ operation: 'read', errno: 'EIO', address: connection.address, cause })
    expect(error?.message).toBe(`read of ${connection.address} failed: read EIO`)
  })

  it('gets the reason of destroy() even after an error of the socket', async () => {
    const receiver = new RecordingReceiver()
    const reason = new Error('enough')
    connection.start(receiver)
    connection.socket.destroy(new Error('broken'))
    connection.destroy(reason)
    expect(await receiver.closedWith).toBe(reason)
  })
})

describe('destroy', () => {
  it('hides later events of the socket from the receiver', async () => {
    const receiver = new RecordingReceiver()
    const reason = new Error('enough')
    connection.start(receiver)
    while (connection.write([new Uint8Array(256 * 1024)]));
    connection.destroy(reason)
    connection.socket.emit('drain')
    connection.socket.emit('end')
    connection.socket.emit('error', new Error('too late'))
    expect(await receiver.closedWith).toBe(reason)
    expect(receiver.calls).toEqual(['closed'])
  })
})

describe('acceptedConnection', () => {
  it('loses no byte of a socket that its server did not pause, and is half-open', async () => {
    const path = folder.freshPath()
    const eager = await listening(net.createServer(), path)
    const accepted = once(eager, 'connection')
    const client = net.connect({ path, allowHalfOpen: true })
    client.end('hello')
    const [socket] = await accepted
    const receiver = new RecordingReceiver()
    const server = acceptedConnection('a client', socket)
    await new Promise((resolve) => setTimeout(resolve, 20))
    server.start(receiver)
    await once(socket, 'end')
    expect(receiver.text).toBe('hello')
    server.write([new TextEncoder().encode('bye')])
    const closing = server.close()
    const [answer] = await once(client, 'data')
    expect(String(answer)).toBe('bye')
    await closing
    expect(receiver.calls).toEqual(['received 5', 'ended', 'closed'])
    await once(eager.close(), 'close')
  })

  it('frees a long chunk after it was copied', async () => {
    const path = folder.freshPath()
    const eager = await listening(net.createServer({ pauseOnConnect: true }), path)
    const accepted = once(eager, 'connection')
    const client = net.connect({ path, allowHalfOpen: true })
    const [socket] = await accepted
    const server = acceptedConnection('a client', socket)
    const lengths: number[] = []
    socket.on('data', (chunk: Uint8Array) => lengths.push(chunk.length))
    const receiver = new RecordingReceiver()
    server.start(receiver)
    client.end('x'.repeat(300_000))
    await once(socket, 'end')
    expect(receiver.text).toBe('x'.repeat(300_000))
    expect(lengths).toContain(0)
    // A chunk is 64 KiB at most, and only short ones are left.
    for (const length of lengths) expect(length).toBeLessThan(DISCARD_FROM)
    server.destroy()
    await once(eager.close(), 'close')
  })
})

/** Both ends of a connection; the first one is one of this package. */
async function link(kind: 'made' | 'accepted'): Promise<{ near: Connection; far: net.Socket }> {
  const path = folder.freshPath()
  const server = await listening(net.createServer({ allowHalfOpen: true, pauseOnConnect: true }), path)
  const accepted = once(server, 'connection')
  if (kind === 'accepted') {
    const far = net.connect(path)
    const [socket] = (await accepted) as [net.Socket]
    server.close()
    return { near: acceptedConnection('the client', socket), far }
  }
  const near = socketConnection('the server', (onread) => net.connect({ path, allowHalfOpen: true, onread }))
  const [far] = (await accepted) as [net.Socket]
  server.close()
  return { near, far }
}

describe.each(['made', 'accepted'] as const)('releaseSocket of a connection that was %s', (kind) => {
  it('inside received(): no byte is read twice', async () => {
    const { near, far } = await link(kind)
    const socket = await new Promise<net.Socket | undefined>((resolve) => {
      const view = new Uint8Array(4)
      near.start({
        buffer: () => view,
        received: () => resolve(releaseSocket(near)),
        drained: () => {},
        ended: () => {},
        closed: () => {},
      })
      far.write('NBD!')
    })
    expect(socket?.isPaused()).toBe(true)
    near.destroy()
    void near.close()
    expect(socket?.destroyed).toBe(false)
    socket?.destroy()
    far.destroy()
  })
})

it('releaseSocket keeps the bytes that were put back', async () => {
  const { near, far } = await link('accepted')
  const socket = await new Promise<net.Socket>((resolve) => {
    const view = new Uint8Array(4)
    near.start({
      buffer: () => view,
      received: () => resolve(releaseSocket(near) as net.Socket),
      drained: () => {},
      ended: () => {},
      closed: () => {},
    })
    far.write('NBD!and more')
  })
  await new Promise(setImmediate)
  expect(String(socket.read())).toBe('and more')
  socket.destroy()
  far.destroy()
})

it('releaseSocket returns undefined for a connection of another package', () => {
  const other: Connection = {
    start: () => {},
    write: () => true,
    close: () => Promise.resolve(),
    destroy: () => {},
  }
  expect(releaseSocket(other)).toBeUndefined()
})

it('a receiver that is attached after the end of the peer gets ended()', async () => {
  const { near, far } = await link('accepted')
  const { socket } = near as Connection & { socket: net.Socket }
  socket.emit('end')
  const receiver = new RecordingReceiver()
  near.start(receiver)
  await new Promise(setImmediate)
  expect(receiver.calls).toEqual(['ended'])
  near.destroy()
  far.destroy()
})

describe('discardChunk', () => {
  it('detaches a long chunk', () => {
    const chunk = new Uint8Array(DISCARD_FROM)
    discardChunk(chunk)
    expect(chunk).toHaveLength(0)
    expect(chunk.buffer.byteLength).toBe(0)
    // A second call has no effect.
    discardChunk(chunk)
  })

  it.each([
    ['a short chunk', new Uint8Array(DISCARD_FROM - 1)],
    ['the beginning of an ArrayBuffer', new Uint8Array(new ArrayBuffer(DISCARD_FROM + 1), 0, DISCARD_FROM)],
    ['the end of an ArrayBuffer', new Uint8Array(new ArrayBuffer(DISCARD_FROM + 1), 1)],
  ])('does not change %s', (_, chunk) => {
    chunk[5] = 77
    const { length } = chunk
    discardChunk(chunk)
    expect(chunk).toHaveLength(length)
    expect(chunk[5]).toBe(77)
  })

  it('frees the memory without a garbage collection', () => {
    const before = process.memoryUsage().arrayBuffers
    for (let count = 0; count < 256; count++) {
      discardChunk(new Uint8Array(65536))
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20)
    }
  })
})
