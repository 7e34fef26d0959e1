import { once } from 'node:events'
import net from 'node:net'
import { afterAll, describe, expect, it } from '@jest/globals'
import type { Connection } from '@nbdjs/core'
import { acceptedConnection, releaseSocket, socketConnection } from '@nbdjs/node-socket'
import { RecordingReceiver } from './recording-receiver.js'
import { listening, SocketFolder } from './socket-folder.js'

const folder = new SocketFolder()
afterAll(() => folder.remove())

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

describe.each(['made', 'accepted'] as const)('the socket of a connection that was %s', (kind) => {
  it('is released inside received(): what the receiver has got is not read again', async () => {
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
    // Nobody but the new owner ends it.
    near.destroy()
    void near.close()
    expect(socket?.destroyed).toBe(false)
    socket?.destroy()
    far.destroy()
  })
})

it('is released with the bytes that were put back', async () => {
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

it('is left alone where it is not of this package', () => {
  const other: Connection = {
    start: () => {},
    write: () => true,
    close: () => Promise.resolve(),
    destroy: () => {},
  }
  expect(releaseSocket(other)).toBeUndefined()
})

it('tells a receiver of an end that came before it', async () => {
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
