import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { type Connection, connect, NbdTransportError, type Receiver } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { Cmd } from '@nbdjs/core/wire'
import { memoryBackend, Server, type ServerClient } from '@nbdjs/server'
import { RawClient, settled } from './peer/raw-client.js'

/** How long the server waits for `closed()`, in virtual time. */
const CLOSED_GRACE_MS = 1000

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
})
afterEach(() => {
  jest.useRealTimers()
})

/** A connection that lets the test call its receiver without the checks of TestConnection. */
class BareConnection implements Connection {
  receiver: Receiver | undefined

  start(receiver: Receiver): void {
    this.receiver = receiver
  }

  write(_chunks: readonly Uint8Array[]): boolean {
    return true
  }

  close(): Promise<void> {
    this.receiver?.closed()
    return Promise.resolve()
  }

  destroy(reason?: Error): void {
    queueMicrotask(() => this.receiver?.closed(reason))
  }
}

const hint = 'the suite of @nbdjs/conformance finds such faults'
const prefix = 'test:: the transport breaks its contract: '

const serve = (connection: Connection) => {
  const errors: { error: Error; client: ServerClient | undefined }[] = []
  const server = new Server({
    exports: { '': memoryBackend(2 ** 20) },
    onError: (error, client) => errors.push({ error, client }),
  })
  server.accept(connection, 'test:')
  return { server, errors, messages: () => errors.map(({ error }) => error.message.replace(`: ${hint}`, '')) }
}

describe('B3: a connection that breaks the contract is destroyed, and the error names the rule:', () => {
  const cases: readonly (readonly [string, (connection: BareConnection) => void, string])[] = [
    [
      'start() throws',
      (connection) => {
        connection.start = () => {
          throw new Error('in use')
        }
      },
      'start() threw: in use',
    ],
    [
      'write() throws',
      (connection) => {
        connection.write = () => {
          throw new Error('broken pipe')
        }
      },
      'write() threw: broken pipe',
    ],
    [
      'write() returns nothing',
      (connection) => {
        connection.write = (() => undefined) as never
      },
      'write() returned undefined, expected true or false',
    ],
    [
      'write() is asynchronous and rejects',
      (connection) => {
        connection.write = (async () => {
          throw new Error('broken pipe')
        }) as never
      },
      'write() returned Promise, expected true or false',
    ],
    [
      'start() is asynchronous and rejects',
      (connection) => {
        connection.start = (async () => {
          throw new Error('in use')
        }) as never
      },
      'start() returned a promise, expected undefined',
    ],
    [
      'write() calls drained()',
      (connection) => {
        connection.write = () => {
          connection.receiver?.drained()
          return false
        }
      },
      'drained() was called inside write()',
    ],
    [
      'write() delivers bytes',
      (connection) => {
        connection.write = () => {
          connection.receiver?.buffer()
          connection.receiver?.received(1)
          return true
        }
      },
      'received() was called inside write()',
    ],
    [
      'start() ends the stream',
      (connection) => {
        connection.start = (receiver) => {
          connection.receiver = receiver
          receiver.ended()
        }
      },
      'ended() was called inside start()',
    ],
  ]

  it.each(cases)('%s', async (_, breakRule, rule) => {
    const connection = new BareConnection()
    breakRule(connection)
    const { server, errors, messages } = serve(connection)
    await settled()
    jest.advanceTimersByTime(CLOSED_GRACE_MS)
    expect(messages()[0]).toBe(prefix + rule)
    expect(errors[0]?.error).toBeInstanceOf(NbdTransportError)
    expect(errors[0]).toMatchObject({
      error: { address: 'test:', hint },
      client: { address: 'test:' },
    })
    expect(server.connections).toBe(0)
    await server.close()
  })

  it('destroy() is asynchronous and rejects', async () => {
    const connection = new BareConnection()
    connection.destroy = async () => {
      throw new Error('no such socket')
    }
    const { server, messages } = serve(connection)
    // Without a call of buffer(): the server destroys the connection.
    connection.receiver?.received(5000)
    await settled()
    jest.advanceTimersByTime(CLOSED_GRACE_MS)
    expect(messages()).toContain(`${prefix}destroy() returned a promise, expected undefined`)
    expect(messages()).toContain(`${prefix}destroy() rejected: no such socket`)
    expect(server.connections).toBe(0)
    await server.close()
  })

  it('the asynchronous destroy() of a connection that is not served is caught', async () => {
    const connection = new BareConnection()
    const destroyed = jest.fn()
    connection.destroy = async () => {
      destroyed()
      throw new Error('no such socket')
    }
    const { server, messages } = serve(new BareConnection())
    const closing = server.close()
    server.accept(connection, 'late:')
    await settled()
    expect(destroyed).toHaveBeenCalledTimes(1)
    expect(messages()).toContain('the server is closed')
    jest.advanceTimersByTime(60_000)
    await settled()
    await closing
  })

  it.each([
    ['-1', -1, 'received() got -1, expected an integer from 1 to 4096'],
    ['0', 0, 'received() got 0, expected an integer from 1 to 4096'],
    ['NaN', Number.NaN, 'received() got NaN, expected an integer from 1 to 4096'],
    ['1.5', 1.5, 'received() got 1.5, expected an integer from 1 to 4096'],
    ['too many', 4097, 'received() got 4097, expected an integer from 1 to 4096'],
    ['no number', '4' as never, 'received() got "4", expected an integer from 1 to 4096'],
  ])('received() with %s', async (_, count, rule) => {
    const connection = new BareConnection()
    const { server, messages } = serve(connection)
    connection.receiver?.buffer()
    connection.receiver?.received(count)
    await settled()
    expect(messages()).toEqual([prefix + rule])
    expect(server.connections).toBe(0)
  })

  it('received() without buffer()', async () => {
    const connection = new BareConnection()
    const { server, messages } = serve(connection)
    connection.receiver?.received(1)
    await settled()
    expect(messages()).toEqual([`${prefix}received() was called without a call of buffer() before it`])
    expect(server.connections).toBe(0)
  })

  it('received() twice after one buffer()', async () => {
    const connection = new BareConnection()
    const { messages } = serve(connection)
    connection.receiver?.buffer()
    connection.receiver?.received(1)
    connection.receiver?.received(1)
    await settled()
    expect(messages()).toEqual([`${prefix}received() was called without a call of buffer() before it`])
  })

  it('closed() with a text instead of an error', () => {
    const connection = new BareConnection()
    const { server, messages } = serve(connection)
    connection.receiver?.closed('reset' as never)
    expect(messages()).toEqual([`${prefix}closed() received "reset", expected an Error or undefined`])
    expect(server.connections).toBe(0)
  })

  it('closed() twice: the second call has no effect', () => {
    const connection = new BareConnection()
    const { server, messages } = serve(connection)
    connection.receiver?.closed()
    connection.receiver?.closed(new Error('again'))
    expect(messages()).toEqual([])
    expect(server.connections).toBe(0)
  })

  it('calls after closed(): they have no effect', () => {
    const connection = new BareConnection()
    const { messages } = serve(connection)
    connection.receiver?.closed()
    expect(connection.receiver?.buffer().length).toBeGreaterThan(0)
    connection.receiver?.received(1)
    connection.receiver?.drained()
    connection.receiver?.ended()
    expect(messages()).toEqual([])
  })

  it.each<[string, () => unknown, string]>([
    ['rejects', () => Promise.reject(new Error('no')), 'close() rejected: no'],
    [
      'throws',
      () => {
        throw new Error('no')
      },
      'close() threw: no',
    ],
    ['returns nothing', () => undefined, 'close() returned undefined, expected a promise'],
  ])('close() %s', async (_, close, rule) => {
    const connection = new BareConnection()
    const { server, messages } = serve(connection)
    connection.close = close as never
    connection.receiver?.ended()
    await settled()
    expect(messages()).toEqual([prefix + rule])
    expect(server.connections).toBe(0)
  })

  it('close() resolves, and closed() is not called', async () => {
    const connection = new BareConnection()
    const { server, messages } = serve(connection)
    connection.close = () => Promise.resolve()
    connection.destroy = () => {}
    connection.receiver?.ended()
    await settled()
    jest.advanceTimersByTime(CLOSED_GRACE_MS)
    expect(messages()).toEqual([
      `${prefix}closed() was not called within ${CLOSED_GRACE_MS} ms after close() has resolved`,
    ])
    expect(server.connections).toBe(0)
  })

  it('destroy() throws', async () => {
    const connection = new BareConnection()
    const { server, messages } = serve(connection)
    connection.destroy = () => {
      throw new Error('no')
    }
    connection.receiver?.buffer().fill(0xff)
    connection.receiver?.received(4)
    await settled()
    jest.advanceTimersByTime(CLOSED_GRACE_MS)
    expect(messages()).toContain(`${prefix}destroy() threw: no`)
    expect(server.connections).toBe(0)
  })

  it('an argument of accept() that is no connection', () => {
    for (const [connection, received] of [
      [undefined, 'undefined without start'],
      [{}, 'Object without start'],
      [{ start() {}, write() {} }, 'Object without close'],
    ] as const) {
      const { server, messages } = serve(connection as never)
      expect(messages()).toEqual([
        `accept: connection: expected a Connection with the methods start, write, close, destroy, received ${received}`,
      ])
      expect(server.connections).toBe(0)
    }
  })

  it('leaves other connections alone', async () => {
    const client = new RawClient().enter()
    const faulty = new BareConnection()
    faulty.write = () => {
      throw new Error('broken pipe')
    }
    client.server.accept(faulty)
    await settled()
    client.send({ type: Cmd.Read, length: 1 })
    expect(client.simpleReply().error).toBe(0)
    expect(client.server.connections).toBe(1)
  })
})

describe('B3: Server.close() ends', () => {
  it.each<[string, (connection: BareConnection) => void]>([
    [
      'if neither close() nor destroy() is followed by closed()',
      (connection) => {
        connection.close = () => new Promise(() => {})
        connection.destroy = () => {}
      },
    ],
    [
      'if write() throws and destroy() does nothing',
      (connection) => {
        connection.write = () => {
          throw new Error('broken pipe')
        }
        connection.destroy = () => {}
      },
    ],
  ])('%s', async (_, breakRules) => {
    const connection = new BareConnection()
    breakRules(connection)
    const { server } = serve(connection)
    const closed = server.close()
    await jest.advanceTimersByTimeAsync(5000 + CLOSED_GRACE_MS)
    await closed
    expect(server.connections).toBe(0)
  })

  it('if a call of a backend never ends', async () => {
    const read = (): Promise<Uint8Array> => new Promise(() => {})
    const client = new RawClient({ exports: { '': { size: 512, read } } }).enter()
    client.send({ type: Cmd.Read, length: 1 })
    const closed = client.server.close()
    await jest.advanceTimersByTimeAsync(5000)
    await closed
    expect(client.connection.isDestroyed).toBe(true)
  })
})

it('serves a client in the same process after faulty connections', async () => {
  const server = new Server({ exports: { '': memoryBackend(4096) } })
  const faulty = new BareConnection()
  faulty.write = (() => 5) as never
  server.accept(faulty)
  const nbd = await connect(inProcess((connection) => server.accept(connection)))
  expect(await nbd.pread(2, 0)).toEqual(new Uint8Array(2))
  await nbd.shutdown()
  await server.close()
})
