import { once } from 'node:events'
import net from 'node:net'
import { afterAll, afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { NbdStateError } from '@nbdjs/core'
import { acceptedConnection, dialSocket, type SocketConnection } from '@nbdjs/node-socket'
import { DISCARD_FROM } from '../src/discard-chunk.js'
import { RecordingReceiver } from './recording-receiver.js'
import { connecting, listening, SocketFolder } from './socket-folder.js'

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
  it('is refused the second time', () => {
    connection.start(new RecordingReceiver())
    const again = (): void => connection.start(new RecordingReceiver())
    expect(again).toThrow(NbdStateError)
    expect(again).toThrow(`start() was called twice on the connection to ${connection.address}`)
  })

  it('takes no byte from the socket before', async () => {
    peer.write('hello')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(connection.socket.bytesRead).toBe(0)
  })

  it('after destroy(): the receiver is told that it is closed, and why', async () => {
    const reason = new Error('changed my mind')
    connection.destroy(reason)
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    expect(receiver.calls).toEqual([])
    expect(await receiver.closing).toBe(reason)
    expect(receiver.calls).toEqual(['closed'])
  })

  it('after the end: the receiver is told that it is closed, and not inside start()', async () => {
    await connection.close()
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    expect(receiver.calls).toEqual([])
    expect(await receiver.closing).toBeUndefined()
  })
})

describe('reading', () => {
  it("copies the first byte, and puts all others into the receiver's memory", async () => {
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    peer.end('hello')
    await once(connection.socket, 'end')
    expect(receiver.text).toBe('hello')
    expect(receiver.calls).toEqual(['received 1', 'received 4', 'ended'])
  })
})

describe('write', () => {
  it('hands all chunks of a call to the system at once', () => {
    connection.start(new RecordingReceiver())
    const socket = connection.socket as unknown as { _writev(chunks: readonly unknown[]): void }
    const writev = jest.spyOn(socket, '_writev')
    connection.write(['a', 'b', 'c'].map((text) => new TextEncoder().encode(text)))
    expect(writev).toHaveBeenCalledTimes(1)
    expect(writev.mock.calls[0]?.[0]).toHaveLength(3)
  })

  it('asks to wait from 1 MiB on that is not flushed', async () => {
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    const chunk = new Uint8Array(256 * 1024)
    let goOn = true
    while (goOn) {
      goOn = connection.write([chunk])
      expect(goOn).toBe(connection.socket.writableLength < 1024 * 1024)
    }
    expect(connection.write([chunk])).toBe(false)
    expect(receiver.calls).toEqual([])
    peer.resume()
    await once(connection.socket, 'drain')
    expect(receiver.calls).toEqual(['drained'])
    expect(connection.socket.writableLength).toBe(0)
  })

  it("does not pass on Node's own drain, of less than 1 MiB", async () => {
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    expect(connection.write([new Uint8Array(500_000)])).toBe(true)
    expect(connection.socket.writableNeedDrain).toBe(true)
    peer.resume()
    await once(connection.socket, 'drain')
    expect(receiver.calls).toEqual([])
  })
})

describe('closed', () => {
  it('maps the native error and keeps it as the cause', async () => {
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    const cause = Object.assign(new Error('read EIO'), { code: 'EIO', syscall: 'read' })
    connection.socket.destroy(cause)
    const error = await receiver.closing
    expect(error).toMatchObject({ operation: 'read', errno: 'EIO', address: connection.address, cause })
    expect(error?.message).toBe(`read of ${connection.address} failed: read EIO`)
  })

  it('gets the reason of destroy() though an error of the socket came first', async () => {
    const receiver = new RecordingReceiver()
    const reason = new Error('enough')
    connection.start(receiver)
    connection.socket.destroy(new Error('broken'))
    connection.destroy(reason)
    expect(await receiver.closing).toBe(reason)
  })
})

describe('destroy', () => {
  it('keeps from the receiver what the socket had yet to tell', async () => {
    const receiver = new RecordingReceiver()
    const reason = new Error('enough')
    connection.start(receiver)
    while (connection.write([new Uint8Array(256 * 1024)]));
    connection.destroy(reason)
    connection.socket.emit('drain')
    connection.socket.emit('end')
    connection.socket.emit('error', new Error('too late'))
    expect(await receiver.closing).toBe(reason)
    expect(receiver.calls).toEqual(['closed'])
  })
})

describe('acceptedConnection', () => {
  it('loses nothing of a socket that was not paused by its server, and is half-open all the same', async () => {
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

  it('frees a long chunk as soon as it was copied', async () => {
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
