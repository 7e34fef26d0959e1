import { once } from 'node:events'
import net from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { connectionPeer, type Peer, peerServerOptions, serverListener, socketPeer } from '@nbdjs/conformance'
import { inProcessPair } from '@nbdjs/core/in-process'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

async function readToEnd(peer: Peer): Promise<string> {
  let text = ''
  for (;;) {
    const chunk = await peer.read()
    if (chunk === undefined) return text
    text += new TextDecoder().decode(chunk)
  }
}

async function socketPair(): Promise<readonly [Peer, Peer, () => Promise<void>]> {
  const server = net.createServer(peerServerOptions).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port, address } = server.address() as net.AddressInfo
  const listener = serverListener(server, {
    address: 'test:',
    dial: () => Promise.reject(new Error('unused')),
  })
  const client = net.connect({ port, host: address, allowHalfOpen: true })
  await once(client, 'connect')
  return [socketPeer(client), await listener.accept(), () => listener.close()]
}

async function connectionPair(): Promise<readonly [Peer, Peer, () => Promise<void>]> {
  const [near, far] = inProcessPair()
  return [connectionPeer(near), connectionPeer(far), async () => {}]
}

describe.each([
  ['socketPeer', socketPair],
  ['connectionPeer', connectionPair],
] as const)('%s', (_name, makePair) => {
  it('writes, reads and half-closes in both directions', async () => {
    const [a, b, close] = await makePair()
    // A write may wait until the other end reads.
    const send = async (peer: Peer, ...texts: readonly string[]): Promise<void> => {
      for (const text of texts) await peer.write(bytes(text))
      await peer.end()
    }
    const [received] = await Promise.all([readToEnd(b), send(a, 'hello ', 'you')])
    expect(received).toBe('hello you')
    expect(await b.read()).toBeUndefined()
    const [answer] = await Promise.all([readToEnd(a), send(b, 'bye')])
    expect(answer).toBe('bye')
    a.reset()
    b.reset()
    await close()
  })

  it('delays a write until the other end reads', async () => {
    const [a, b, close] = await makePair()
    const piece = new Uint8Array(1024 * 1024)
    let written = 0
    const writeOn = async (): Promise<void> => {
      while (written < 64) {
        await a.write(piece)
        written++
      }
    }
    const writing = writeOn()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(written).toBeLessThan(64)
    for (let length = 0; length < 64 * piece.length; ) length += (await b.read())?.length ?? 0
    await writing
    a.reset()
    b.reset()
    await close()
  })

  it('rejects after a reset, and can be reset again', async () => {
    const [a, b, close] = await makePair()
    const reading = b.read()
    a.reset()
    a.reset()
    await expect(reading).rejects.toThrow(/ECONNRESET|destroyed/)
    await expect(b.write(bytes('hello'))).rejects.toThrow()
    await expect(a.write(bytes('hello'))).rejects.toThrow()
    b.reset()
    await close()
  })
})

describe('serverListener', () => {
  it('accepts the peers in order, before and after they connect, and closes the rest', async () => {
    const server = net.createServer(peerServerOptions).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port, address: host } = server.address() as net.AddressInfo
    const transport = { address: 'test:', dial: () => Promise.reject(new Error('unused')) }
    const listener = serverListener(server, transport)
    expect(listener.transport).toBe(transport)
    const waiting = listener.accept()
    const clients: net.Socket[] = []
    for (const text of ['1', '2', '3']) {
      const client = net.connect({ port, host })
      await once(client, 'connect')
      // The listener closes the connection with these bytes unread.
      client.on('error', () => {})
      client.write(text)
      clients.push(client)
    }
    for (const [peer, text] of [
      [await waiting, '1'],
      [await listener.accept(), '2'],
    ] as const) {
      expect(new TextDecoder().decode(await peer.read())).toBe(text)
    }
    const closed = Promise.all(
      clients.map((client) => new Promise((resolve) => client.resume().once('close', resolve))),
    )
    await listener.close()
    await closed
    expect(server.listening).toBe(false)
  })
})
