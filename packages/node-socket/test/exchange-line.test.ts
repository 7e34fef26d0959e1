import { once } from 'node:events'
import net from 'node:net'
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { type Connection, NbdTransportError, NbdUsageError } from '@nbdjs/core'
import { inProcessPair } from '@nbdjs/core/in-process'
import { acceptedConnection, dialSocket, exchangeLine, type SocketConnection } from '@nbdjs/node-socket'
import { listening, RecordingReceiver, SocketFolder } from '@nbdjs/testing'
import { connecting } from './connecting.js'

const { signal } = new AbortController()
const limits = { signal, maxLength: 16 }
const folder = new SocketFolder()
afterAll(() => folder.remove())

let server: net.Server
let connection: SocketConnection
let peer: net.Socket

beforeEach(async () => {
  const path = folder.freshPath()
  server = await listening(net.createServer({ allowHalfOpen: true, pauseOnConnect: true }), path)
  const accepted = once(server, 'connection')
  connection = await dialSocket({ address: 'test:', signal, create: connecting(path) })
  ;[peer] = await accepted
  peer.on('error', () => {})
})

afterEach(async () => {
  connection.destroy()
  peer.destroy()
  await once(server.close(), 'close')
})

const failureOf = async (exchange: Promise<unknown>): Promise<Error> =>
  await exchange.then(
    () => undefined,
    (reason) => reason,
  )

describe('exchangeLine', () => {
  it('sends the line and resolves with the answer, both without their newline', async () => {
    peer.once('data', (data) => peer.write(`got ${JSON.stringify(String(data))}\n`))
    peer.resume()
    expect(await exchangeLine(connection, 'HELLO', limits)).toBe('got "HELLO\\n"')
  })

  it('reads no byte after the newline: start() delivers it', async () => {
    peer.write('OK 1\nNBDMAGIC')
    expect(await exchangeLine(connection, 'CONNECT 1', limits)).toBe('OK 1')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(connection.socket.bytesRead).toBe('OK 1\n'.length)

    const receiver = new RecordingReceiver()
    connection.start(receiver)
    peer.end()
    await once(connection.socket, 'end')
    expect(receiver.text).toBe('NBDMAGIC')
  })

  it('can be called more than once before start()', async () => {
    peer.write('1\n2\n')
    expect(await exchangeLine(connection, 'A', limits)).toBe('1')
    expect(await exchangeLine(connection, 'B', limits)).toBe('2')
    connection.start(new RecordingReceiver())
    connection.write([new TextEncoder().encode('C')])
    const closing = connection.close()
    let sent = ''
    for await (const chunk of peer) sent += chunk
    expect(sent).toBe('A\nB\nC')
    await closing
  })

  it('reads a line in UTF-8, in any pieces, up to the allowed length', async () => {
    const answer = Buffer.from(`${'ü'.repeat(8)}\n`)
    const exchange = exchangeLine(connection, '', limits)
    for (const byte of answer) {
      peer.write(Buffer.of(byte))
      await new Promise(setImmediate)
    }
    expect(await exchange).toBe('üüüüüüüü')
  })

  it('works on an accepted connection too: bytes after the newline are put back', async () => {
    const accepted = acceptedConnection('a client', peer)
    connection.start(new RecordingReceiver())
    connection.write([new TextEncoder().encode('CONNECT 1\nhello')])
    expect(await exchangeLine(accepted, 'OK 1', limits)).toBe('CONNECT 1')
    const receiver = new RecordingReceiver()
    accepted.start(receiver)
    void connection.close()
    await once(peer, 'end')
    expect(receiver.text).toBe('hello')
  })

  it('rejects without a newline within maxLength bytes', async () => {
    peer.write('x'.repeat(17))
    const error = await failureOf(exchangeLine(connection, 'CONNECT 1', limits))
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({ operation: 'dial', address: 'test:', errno: 'EPROTO' })
    expect(error.message).toBe(
      'dial of test: failed: sent "CONNECT 1", expected a line in return, but ' +
        'received 17 bytes "xxxxxxxxxxxxxxxxx" without a newline, at most 16 are allowed',
    )
    expect(connection.socket.closed).toBe(true)
  })

  it.each([
    ['', '0 bytes'],
    ['NO', '2 bytes "NO"'],
  ])('rejects when the peer closes after %j', async (answer, text) => {
    peer.end(answer)
    const error = await failureOf(exchangeLine(connection, 'CONNECT 1', limits))
    expect(error).toMatchObject({ operation: 'dial', errno: 'ECONNRESET' })
    expect(error.message).toBe(
      'dial of test: failed: sent "CONNECT 1", expected a line in return, but ' +
        `the peer closed the connection after ${text}`,
    )
    expect(connection.socket.closed).toBe(true)
  })

  it('rejects when the connection breaks', async () => {
    const exchange = exchangeLine(connection, 'CONNECT 1', limits)
    const cause = Object.assign(new Error('read EIO'), { code: 'EIO', syscall: 'read' })
    connection.socket.destroy(cause)
    const error = await failureOf(exchange)
    expect(error).toMatchObject({ operation: 'dial', errno: 'EIO', cause: { cause } })
    expect(error.message).toContain('the connection broke after 0 bytes: read of test: failed: read EIO')
  })

  it("rejects with the signal's reason, before and under way, and closes the connection", async () => {
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const exchange = exchangeLine(connection, 'CONNECT 1', { ...limits, signal: controller.signal })
    controller.abort(reason)
    expect(await failureOf(exchange)).toBe(reason)
    expect(connection.socket.closed).toBe(true)
    const again = exchangeLine(connection, 'CONNECT 1', { ...limits, signal: controller.signal })
    expect(await failureOf(again)).toBe(reason)
  })

  it('rejects a connection of another package', async () => {
    const [other]: readonly Connection[] = inProcessPair()
    const error = await failureOf(exchangeLine(other as SocketConnection, 'CONNECT 1', limits))
    expect(error).toBeInstanceOf(NbdUsageError)
    expect(error.message).toBe(
      'exchangeLine: connection: expected a connection of @nbdjs/node-socket, received Object',
    )
  })
})
