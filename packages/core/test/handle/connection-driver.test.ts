import { describe, expect, test } from '@jest/globals'
import { Handle } from '@nbdjs/core'
import { decodeRequest, encodeGreeting, encodeSimpleReply, REQUEST_LENGTH } from '@nbdjs/core/wire'
import { joined, octets, repeated } from '../bytes.js'
import { watchLeaks } from './leaks.js'
import { HandConnection } from './manual-connection.js'
import { end, granted, readyOn } from './manual-connections.js'
import { outcomeOf, rejection, settled } from './settle-promises.js'

watchLeaks()

/** A handle in `ready` on a connection by hand, from which the handshake was wiped. */
async function ready(): Promise<{ readonly handle: Handle; readonly connection: HandConnection }> {
  const connection = new HandConnection()
  const handle = await readyOn(connection, { structuredReplies: false })
  connection.writes.length = 0
  connection.calls.length = 0
  return { handle, connection }
}

const requestsIn = (bytes: Uint8Array): number => bytes.length / REQUEST_LENGTH

/** The replies to every request of these writes, without data. */
function repliesTo(writes: readonly Uint8Array[]): Uint8Array {
  const bytes = joined(...writes)
  const view = new DataView(bytes.buffer)
  const replies: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += REQUEST_LENGTH) {
    const request = decodeRequest(view, at)
    if (request === undefined) throw new Error('expected requests without data')
    replies.push(encodeSimpleReply(request, 0))
  }
  return joined(...replies)
}

describe('the requests of one turn leave in one write', () => {
  test('that are submitted one after the other', async () => {
    const { handle, connection } = await ready()
    const flushing = [1, 2, 3, 4, 5].map(() => handle.flush())
    expect(connection.writes).toEqual([])
    await settled()
    expect(connection.writes.map(requestsIn)).toEqual([5])
    connection.deliver(repliesTo(connection.writes))
    await Promise.all(flushing)
    await end(handle, connection)
  })

  /** As deep as helpers may be that await one another. */
  const flushBelow = async (handle: Handle, depth: number): Promise<void> =>
    depth === 0 ? await handle.flush() : await flushBelow(handle, depth - 1)

  test.each([
    ['of one depth', () => 3],
    ['of depths from 0 to 12', (loop: number) => loop % 13],
    ['of two depths that are far apart', (loop: number) => (loop % 2) * 12],
    ['of a depth that changes', (loop: number, round: number) => (loop * 7 + round * 5) % 13],
  ])('that are submitted by 64 loops with helpers %s, once per reply', async (_, depthOf) => {
    const { handle, connection } = await ready()
    const rounds = 20
    const loops = Array.from({ length: 64 }, async (_, loop) => {
      for (let round = 0; round < rounds; round++) await flushBelow(handle, depthOf(loop, round))
    })
    for (let round = 0; round < rounds; round++) {
      await settled()
      const writes = connection.writes.splice(0)
      expect(writes.map(requestsIn)).toEqual([64])
      connection.deliver(repliesTo(writes))
    }
    await Promise.all(loops)
    await end(handle, connection)
  })

  test('and a caller that never stops does not delay the others forever', async () => {
    const { handle, connection } = await ready()
    const flushing = handle.flush()
    let refused = 0
    while (connection.writes.length === 0) {
      const controller = new AbortController()
      const next = rejection(handle.flush({ signal: controller.signal }))
      controller.abort()
      await next
      refused++
      if (refused > 10_000) throw new Error('the first request was never sent')
    }
    expect(connection.writes.map(requestsIn)).toEqual([1])
    connection.deliver(repliesTo(connection.writes))
    await flushing
    await end(handle, connection)
  })

  test('shutdown sends queued requests at once', async () => {
    const { handle, connection } = await ready()
    const flushing = handle.flush()
    const leaving = handle.shutdown()
    expect(connection.writes.map(requestsIn)).toEqual([1])
    connection.deliver(repliesTo(connection.writes))
    await flushing
    expect(connection.calls).toEqual(['write', 'write', 'close'])
    connection.receiver.ended()
    connection.receiver.closed()
    await leaving
  })
})

describe('a write that returns false', () => {
  test('delays the next one until drained()', async () => {
    const { handle, connection } = await ready()
    connection.accepts = false
    const first = handle.flush()
    await settled()
    const second = handle.trim(1, 0)
    await settled()
    expect(connection.writes).toHaveLength(1)
    connection.deliver(repliesTo(connection.writes))
    await first
    expect(connection.writes).toHaveLength(1)
    connection.receiver.drained()
    expect(connection.writes).toHaveLength(2)
    connection.deliver(repliesTo(connection.writes.slice(1)))
    await second
    await end(handle, connection)
  })

  test('splits data longer than one write, and queued commands can still be abandoned', async () => {
    const { handle, connection } = await ready()
    connection.accepts = false
    const controller = new AbortController()
    const writing = handle.pwrite(repeated(7, 900_000), 0).catch(() => {})
    const more = handle.pwrite(repeated(7, 900_000), 0).catch(() => {})
    const aborted = rejection(handle.flush({ signal: controller.signal }))
    await settled()
    expect(connection.writes.map(({ length }) => length)).toEqual([1024 * 1024])
    controller.abort('enough')
    expect(await aborted).toBe('enough')
    connection.receiver.drained()
    expect(connection.writes.map(({ length }) => length)).toEqual([
      1024 * 1024,
      2 * (REQUEST_LENGTH + 900_000) - 1024 * 1024,
    ])
    await end(handle, connection)
    await Promise.all([writing, more])
  })
})

describe('timing that the contract of a connection allows', () => {
  test('bytes delivered inside start() are not lost, and are answered after it', async () => {
    const connection = new HandConnection()
    connection.onStart = () => {
      connection.deliver(encodeGreeting(3))
      connection.calls.push('started')
    }
    const handle = new Handle({ requestStructuredReplies: false })
    const connecting = handle.connect(connection.transport)
    await settled()
    expect(connection.calls).toEqual(['start', 'started', 'write'])
    connection.deliver(granted())
    await connecting
    expect(handle.state).toBe('ready')
    await end(handle, connection)
  })

  test('a connection that ends inside start(): connect rejects', async () => {
    const connection = new HandConnection()
    connection.onStart = () => {
      connection.receiver.ended()
      connection.receiver.closed()
    }
    const handle = new Handle()
    expect(await rejection(handle.connect(connection.transport))).toHaveProperty('code', 'ERR_NBD_TRANSPORT')
    expect(handle.state).toBe('dead')
  })

  test('closed() inside close(): shutdown resolves, events in order', async () => {
    const { handle, connection } = await ready()
    const log: string[] = []
    handle.on('state', (next) => log.push(next))
    handle.on('close', () => log.push('close'))
    connection.onClose = () => connection.receiver.closed()
    await handle.shutdown()
    expect(handle.state).toBe('closed')
    expect(log).toEqual(['closed', 'close'])
  })

  test('closed(reason) inside destroy(): dead once', async () => {
    const { handle, connection } = await ready()
    const dead: unknown[] = []
    handle.on('dead', (error) => dead.push(error))
    const reason = new Error('enough')
    let isGone = false
    connection.onDestroy = () => {
      if (!isGone) connection.receiver.closed(reason)
      isGone = true
    }
    handle.destroy(reason)
    expect(await rejection(handle.closed)).toBe(reason)
    expect(dead).toEqual([reason])
  })

  test('a view requested early is used, and so is one requested again', async () => {
    const { handle, connection } = await ready()
    const early = connection.receiver.buffer()
    const reading = handle.pread(2, 0)
    await settled()
    const header = repliesTo(connection.writes)
    const view = connection.receiver.buffer()
    expect(view.length).toBeGreaterThan(0)
    expect(early.length).toBeGreaterThan(0)
    view.set(joined(header, octets('01 02')))
    connection.receiver.received(header.length + 2)
    expect(await reading).toEqual(octets('01 02'))
    await end(handle, connection)
  })

  test('an end with closed() and without ended()', async () => {
    const { handle, connection } = await ready()
    const flushing = rejection(handle.flush())
    await settled()
    connection.receiver.closed()
    expect(await flushing).toMatchObject({ code: 'ERR_NBD_TRANSPORT', isConnectionLost: true })
    expect(await rejection(handle.closed)).toBe(await flushing)
    expect(handle.state).toBe('dead')
  })

  test('an error of the connection of another class is wrapped', async () => {
    const { handle, connection } = await ready()
    const cause = new Error('the modem sighed')
    connection.receiver.closed(cause)
    expect(await rejection(handle.closed)).toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      operation: 'read',
      address: 'hand:',
      message: 'hand:: the connection was lost with no command in flight: the modem sighed',
      cause,
    })
  })
})

describe('a long read is received in the memory of the caller', () => {
  const LENGTH = 200_000

  test('of preadInto, and writes no byte outside of it', async () => {
    const { handle, connection } = await ready()
    const around = repeated(0xee, LENGTH + 2)
    const buffer = around.subarray(1, LENGTH + 1)
    const reading = handle.preadInto(buffer, 0)
    await settled()
    connection.deliver(repliesTo(connection.writes))
    const view = connection.receiver.buffer()
    expect(view.buffer).toBe(around.buffer)
    expect([view.byteOffset, view.length]).toEqual([1, LENGTH])
    view.fill(7)
    connection.receiver.received(LENGTH)
    await reading
    expect([around[0], around[1], around[LENGTH], around[LENGTH + 1]]).toEqual([0xee, 7, 7, 0xee])
    await end(handle, connection)
  })

  test.each<[string, (handle: Handle, buffer: Uint8Array) => Promise<unknown>]>([
    [
      'with a signal',
      (handle, buffer) => handle.preadInto(buffer, 0, { signal: new AbortController().signal }),
    ],
    ['of shared memory', (handle) => handle.preadInto(new Uint8Array(new SharedArrayBuffer(LENGTH)), 0)],
  ])('not %s', async (_, call) => {
    const { handle, connection } = await ready()
    const buffer = new Uint8Array(LENGTH)
    const reading = call(handle, buffer)
    await settled()
    connection.deliver(repliesTo(connection.writes))
    const view = connection.receiver.buffer()
    expect(view.buffer).not.toBe(buffer.buffer)
    expect(view.buffer).toBeInstanceOf(ArrayBuffer)
    connection.deliver(repeated(7, LENGTH))
    await reading
    await end(handle, connection)
  })

  test('of pread, in memory allocated when the reply arrives', async () => {
    const { handle, connection } = await ready()
    const reading = handle.pread(LENGTH, 0)
    await settled()
    connection.deliver(repliesTo(connection.writes))
    const view = connection.receiver.buffer()
    view.fill(7)
    connection.receiver.received(LENGTH)
    const data = await reading
    expect(data.buffer).toBe(view.buffer)
    expect(data.length).toBe(LENGTH)
    await end(handle, connection)
  })
})

test('destroy() while the connection still closes, after the server closed: it closes at once', async () => {
  const { handle, connection } = await ready()
  connection.receiver.ended()
  expect(handle.state).toBe('dead')
  expect(connection.calls).toEqual(['close'])
  handle.destroy()
  expect(connection.calls).toEqual(['close', 'destroy'])
  connection.receiver.closed()
  expect(await rejection(handle.closed)).toMatchObject({ isConnectionLost: true })
})

test('a destroyed handle reads nothing', async () => {
  const { handle, connection } = await ready()
  const reading = rejection(handle.pread(4, 0))
  await settled()
  const replies = repliesTo(connection.writes)
  handle.destroy(new Error('enough'))
  expect(connection.calls).toContain('destroy')
  // Against the contract, and harmless.
  connection.deliver(replies, octets('00 01 02 03'))
  connection.receiver.closed()
  expect(await reading).toHaveProperty('message', 'enough')
  expect(await outcomeOf(handle.closed)).toBe('rejected')
})
