import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from '@jest/globals'
import {
  describeTransport,
  type Listener,
  type Peer,
  peerServerOptions,
  socketPeer,
} from '@nbdjs/conformance'
import { type Connection, NbdUsageError } from '@nbdjs/core'
import { RecordingReceiver } from '@nbdjs/testing'
import { hybridVsock } from '../src/hybrid-vsock.js'

const folder = mkdtempSync(join(tmpdir(), 'hybrid-vsock-'))
let paths = 0
const freshPath = (): string => join(folder, `${paths++}.sock`)

afterAll(() => rmSync(folder, { recursive: true }))

const { signal } = new AbortController()

describe('hybridVsock', () => {
  it('has an address', () => {
    expect(hybridVsock('/run/vm.sock', 10809).address).toBe('hybrid-vsock:/run/vm.sock:10809')
  })

  it.each<[string, () => unknown, string]>([
    [
      'port',
      () => hybridVsock('/run/vm.sock', 2 ** 32),
      'hybridVsock: port: expected an integer from 0 to 4294967295, received 4294967296',
    ],
    ['empty path', () => hybridVsock('', 1), 'hybridVsock: path: expected the path of a socket, received ""'],
    [
      'path',
      () => hybridVsock('a\0b', 1),
      'hybridVsock: path: expected a path without NUL, received "a\\u0000b"',
    ],
    [
      'kind of path',
      () => hybridVsock(new URL('file:///run/vm.sock') as unknown as string, 1),
      'hybridVsock: path: expected the path of a socket, received URL',
    ],
    [
      'long path',
      () => hybridVsock(`/${'x'.repeat(107)}`, 1),
      'hybridVsock: path: expected at most 107 bytes, received 108 bytes: "/xxx',
    ],
  ])('rejects a wrong %s at once', (_, call, message) => {
    expect(call).toThrow(NbdUsageError)
    expect(call).toThrow(message)
  })
})

describe('a dial', () => {
  let server: net.Server | undefined
  let peers: net.Socket[] = []

  afterEach(async () => {
    for (const peer of peers) peer.destroy()
    peers = []
    await new Promise((resolve) => server?.close(resolve))
  })

  /** Dials port 52 of a monitor that calls `answer` with the first line. */
  const dial = async (
    answer: (peer: net.Socket, line: string) => void,
    dialSignal: AbortSignal = signal,
    onStep?: (step: string) => void,
  ): Promise<Connection> => {
    const path = freshPath()
    server = net.createServer(peerServerOptions, (peer) => {
      peers.push(peer)
      peer.on('error', () => {})
      peer.once('data', (line) => answer(peer, line.toString()))
      peer.resume()
    })
    await new Promise<void>((resolve) => server?.listen(path, resolve))
    return hybridVsock(path, 52).dial({ signal: dialSignal, onStep })
  }

  it('requests the port, and loses no byte that follows the answer', async () => {
    let asked = ''
    const connection = await dial((peer, line) => {
      asked = line
      peer.write('OK 1073741824\nNBDMAGIC')
    })
    expect(asked).toBe('CONNECT 52\n')
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    expect(await receiver.textOf(8)).toBe('NBDMAGIC')
    connection.destroy()
  })

  it('accepts an answer in pieces', async () => {
    const connection = await dial((peer) => {
      const bytes = [...'OK 7\nNBD']
      const send = (): void => {
        const byte = bytes.shift()
        if (byte !== undefined) peer.write(byte, () => setImmediate(send))
      }
      send()
    })
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    expect(await receiver.textOf(3)).toBe('NBD')
    connection.destroy()
  })

  it.each(['OK', 'OK ', 'OK x', 'OK 1 2', 'OK 99999999999', 'ok 1', ' OK 1', 'OK 1\r', 'NBDMAGIC', ''])(
    'rejects with EPROTO when the answer is %p',
    async (answer) => {
      await expect(dial((peer) => peer.write(`${answer}\n`))).rejects.toMatchObject({
        code: 'ERR_NBD_TRANSPORT',
        operation: 'dial',
        errno: 'EPROTO',
        message: expect.stringContaining(
          `failed: sent "CONNECT 52", expected "OK <port>" in return, received ${JSON.stringify(answer)}`,
        ),
      })
    },
  )

  it('rejects with EPROTO when the answer does not end', async () => {
    await expect(dial((peer) => peer.write('OK '.repeat(1000)))).rejects.toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      errno: 'EPROTO',
      message: expect.stringContaining('at most 64 are allowed'),
    })
  })

  it.each<[string, (peer: net.Socket) => void]>([
    ['at once', (peer) => peer.end()],
    ['inside the answer', (peer) => peer.end('OK 1')],
    ['by a reset', (peer) => peer.destroy()],
  ])('rejects when the monitor hangs up %s', async (_, answer) => {
    await expect(dial(answer)).rejects.toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      operation: 'dial',
      errno: 'ECONNRESET',
      message: expect.stringContaining(': does a server listen on port 52 in the virtual machine?'),
    })
  })

  it('rejects when there is no monitor', async () => {
    await expect(hybridVsock(freshPath(), 52).dial({ signal })).rejects.toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      operation: 'dial',
      errno: 'ENOENT',
    })
  })

  it('rejects with the reason of the signal when it is aborted before the answer', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    await expect(dial(() => controller.abort(reason), controller.signal)).rejects.toBe(reason)
  })

  it('C2: reports that it waits for the answer, and what has come of it', async () => {
    const controller = new AbortController()
    const steps: string[] = []
    const dialling = dial(
      (peer) => peer.write('OK\u009b'),
      controller.signal,
      (step) => {
        steps.push(step)
        if (step.includes('received 4 bytes')) controller.abort(new Error('enough'))
      },
    )
    await expect(dialling).rejects.toThrow('enough')
    const waiting = 'sent "CONNECT 52", waiting for a line in return, received'
    expect(steps[0]).toBe(`${waiting} 0 bytes`)
    expect(steps.at(-1)).toBe(`${waiting} 4 bytes "OK\\u009b"`)
  })

  it('closes the connection when it rejects', async () => {
    let closed: Promise<unknown> = Promise.reject(new Error('no connection'))
    closed.catch(() => {})
    const dialled = dial((peer) => {
      closed = new Promise((resolve) => peer.once('close', resolve))
      peer.resume()
      peer.on('end', () => peer.end())
      peer.write('KO\n')
    })
    await expect(dialled).rejects.toThrow('received "KO"')
    await closed
  })
})

/** A monitor whose virtual machine listens on every port. */
class Monitor implements Listener {
  readonly transport
  readonly #server: net.Server
  readonly #accepted: Peer[] = []
  readonly #waiting: ((peer: Peer) => void)[] = []

  static async listening(): Promise<Monitor> {
    const path = freshPath()
    const server = net.createServer(peerServerOptions)
    await new Promise<void>((resolve) => server.listen(path, resolve))
    return new Monitor(server, path)
  }

  private constructor(server: net.Server, path: string) {
    this.transport = hybridVsock(path, 52)
    this.#server = server
    server.on('connection', (socket) => this.#letIn(socket))
  }

  accept(): Promise<Peer> {
    const peer = this.#accepted.shift()
    return peer === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(peer)
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  // No byte follows the line before its answer, and therefore reading does not run ahead of the suite.
  #letIn(socket: net.Socket): void {
    socket.on('error', () => {})
    socket.once('close', () => socket.destroy())
    socket.once('readable', () => {
      socket.read()
      socket.write('OK 1\n')
      const peer = socketPeer(socket)
      const resolve = this.#waiting.shift()
      if (resolve === undefined) this.#accepted.push(peer)
      else resolve(peer)
    })
  }
}

describeTransport(
  'hybrid vsock',
  { listen: () => Monitor.listening(), refused: async () => hybridVsock(freshPath(), 52) },
  { describe, it },
)
