import { once } from 'node:events'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { type Connection, NbdTransportError, type Receiver } from '@nbdjs/core'
import { nodeTls } from '@nbdjs/tls'
import { ConnectionDuplex } from '../src/underlying-stream.js'

const KIB = 1024

/** A stream on a connection whose bytes arrive when the test calls `arrive`. */
const opened = (): { readonly stream: ConnectionDuplex; arrive(...bytes: number[]): Uint8Array } => {
  let receiver: Receiver | undefined
  const connection: Connection = {
    start: (its) => {
      receiver = its
    },
    write: () => true,
    close: async () => {},
    destroy: (reason) => receiver?.closed(reason),
  }
  const stream = new ConnectionDuplex(connection, 'test:')
  return {
    stream,
    arrive: (...bytes) => {
      const view = (receiver as Receiver).buffer()
      view.set(bytes)
      receiver?.received(bytes.length)
      return view
    },
  }
}

describe('a connection as a stream', () => {
  it('uses the same memory again after it was read', () => {
    const { stream, arrive } = opened()
    const read: number[][] = []
    stream.on('data', (chunk: Uint8Array) => read.push([...chunk]))
    // Starts the flow, which Node would do in the next turn: from then on a chunk is read when it is pushed.
    stream.read(0)
    const first = arrive(1, 2)
    const second = arrive(3)
    expect([second.buffer, second.byteOffset, second.length]).toEqual([first.buffer, 0, 64 * KIB])
    expect(read).toEqual([[1, 2], [3]])
  })

  it('does not overwrite bytes that were not read yet', () => {
    const { stream, arrive } = opened()
    stream.pause()
    arrive(1, 2)
    const next = arrive(3)
    expect([next.byteOffset, next.length]).toEqual([2, 64 * KIB - 2])
    arrive(...new Uint8Array(64 * KIB - 3).fill(4))
    expect(arrive(5).length).toBe(64 * KIB)
    expect([...(stream.read(4) as Uint8Array)]).toEqual([1, 2, 3, 4])
  })
})

/** A connection that keeps its contract, except for the members in `faults`. */
const faulty = (
  faults: Partial<Connection>,
): { readonly connection: Connection; readonly receiver: Receiver } => {
  let receiver: Receiver | undefined
  const connection: Connection = {
    start: (its) => {
      receiver = its
    },
    write: () => true,
    close: async () => {},
    destroy: (reason) => receiver?.closed(reason),
    ...faults,
  }
  return {
    connection,
    get receiver() {
      return receiver as Receiver
    },
  }
}

const failureOf = async (stream: ConnectionDuplex): Promise<Error> => {
  const [error] = (await once(stream, 'error')) as [Error]
  if (!stream.closed) await once(stream, 'close')
  return error
}

const rule = 'TLS with test: failed: the connection broke the transport contract: '

describe('B3: a connection that breaks its contract destroys the stream with the broken rule', () => {
  it.each<[string, Partial<Connection>, (stream: ConnectionDuplex, receiver: Receiver) => void, string]>([
    [
      'write() throws',
      {
        write: () => {
          throw new Error('no')
        },
      },
      (stream) => stream.write('x'),
      'write() threw',
    ],
    [
      'write() returns undefined',
      { write: () => undefined as unknown as boolean },
      (stream) => stream.write('x'),
      'write() returned undefined, expected a boolean',
    ],
    [
      'close() throws',
      {
        close: () => {
          throw new Error('no')
        },
      },
      (stream) => stream.end(),
      'close() threw',
    ],
    [
      'close() rejects',
      { close: () => Promise.reject(new Error('no')) },
      (stream) => stream.end(),
      'close() rejected',
    ],
    ...[-1, 0, Number.NaN, 1.5, 64 * KIB + 1].map(
      (count) =>
        [
          `received(${count})`,
          {},
          (_: ConnectionDuplex, receiver: Receiver) => {
            receiver.buffer()
            receiver.received(count)
          },
          `received(${count}) was called, expected 1 to 65536 bytes`,
        ] as [string, Partial<Connection>, (stream: ConnectionDuplex, receiver: Receiver) => void, string],
    ),
    [
      'received() without buffer()',
      {},
      (_, receiver) => receiver.received(1),
      'received(1) was called, expected 1 to 0 bytes',
    ],
    [
      'closed() with a text',
      {},
      (_, receiver) => receiver.closed('text' as unknown as Error),
      'closed() was called with a string, expected an Error',
    ],
  ])('%s', async (_, faults, provoke, message) => {
    const made = faulty(faults)
    const stream = new ConnectionDuplex(made.connection, 'test:')
    const failing = failureOf(stream)
    provoke(stream, made.receiver)
    const error = await failing
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error.message).toBe(rule + message)
    expect(error).toMatchObject({ operation: 'tls', address: 'test:', errno: 'EIO' })
  })

  it('drained() inside write() is not lost', async () => {
    const made = faulty({
      write: () => {
        made.receiver.drained()
        return false
      },
    })
    const stream = new ConnectionDuplex(made.connection, 'test:')
    const written = (text: string): Promise<void> =>
      new Promise((resolve) => {
        stream.write(text, () => resolve())
      })
    await written('a')
    await written('b')
  })

  it('ended() and closed() may come twice, and bytes after the end are ignored', async () => {
    const made = faulty({})
    const stream = new ConnectionDuplex(made.connection, 'test:')
    const ended = once(stream, 'end')
    stream.resume()
    made.receiver.ended()
    made.receiver.ended()
    await ended
    made.receiver.closed()
    made.receiver.closed(new Error('again'))
    made.receiver.buffer()
    made.receiver.received(1)
    expect(stream.errored).toBeNull()
  })

  it('an upgrade on a connection that throws in write() rejects, and leaves nothing open', async () => {
    const destroyed: unknown[] = []
    const made = faulty({
      write: () => {
        throw new Error('no')
      },
      destroy: (reason) => {
        destroyed.push(reason)
        made.receiver.closed(reason)
      },
    })
    const { signal } = new AbortController()
    const { connection } = made
    const handover = { connection, original: connection, address: 'test:', hostName: undefined, signal }
    await expect(nodeTls().upgrade(handover)).rejects.toThrow(`${rule}write() threw`)
    expect(destroyed).toHaveLength(1)
  })
})

describe('B3: destroy()', () => {
  afterEach(() => {
    jest.useRealTimers()
  })

  it('completes after 5 s on a connection that never calls closed()', () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] })
    const stream = new ConnectionDuplex(faulty({ destroy: () => {} }).connection, 'test:')
    const done = jest.fn()
    stream._destroy(null, done)
    jest.advanceTimersByTime(4999)
    expect(done).not.toHaveBeenCalled()
    jest.advanceTimersByTime(1)
    expect(done).toHaveBeenCalledTimes(1)
  })

  it('completes on a connection whose destroy() throws', async () => {
    const made = faulty({
      destroy: () => {
        throw new Error('no')
      },
    })
    const stream = new ConnectionDuplex(made.connection, 'test:')
    stream.destroy()
    made.receiver.closed()
    if (!stream.closed) await once(stream, 'close')
  })
})
