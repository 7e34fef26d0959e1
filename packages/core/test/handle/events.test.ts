import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { Handle, type HandleState, type Transport } from '@nbdjs/core'
import {
  Chunk,
  Cmd,
  encodeChunkHeader,
  encodeInfoExport,
  encodeOffsetData,
  encodeOptionReply,
  Opt,
  Rep,
  ReplyFlag,
} from '@nbdjs/core/wire'
import { octets } from '../bytes.js'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { EVERYTHING, ScriptedServer } from './scripted-server.js'
import { rejection, settled } from './settle-promises.js'

watchLeaks()

/** Every event but `debug`, in order, in words. */
function logOf(handle: Handle): string[] {
  const log: string[] = []
  handle.on('state', (next, previous) => log.push(`${previous} -> ${next}`))
  handle.on('close', () => log.push('close'))
  handle.on('dead', (error) => log.push(`dead: ${error.message}`))
  return log
}

describe('state, close and dead come in order', () => {
  // libnbd: nbd_aio_connect, nbd_aio_is_created, nbd_aio_is_connecting, nbd_aio_is_ready, nbd_aio_is_closed
  test('from connect to shutdown', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const log = logOf(handle)
    void handle.closed.then(() => log.push('closed resolved'))
    const connecting = handle.connect(server.transport).then(() => log.push('connect resolved'))
    await server.handshake()
    await connecting
    const leaving = handle.shutdown().then(() => log.push('shutdown resolved'))
    await server.farewell()
    await leaving
    expect(log).toEqual([
      'created -> connecting',
      'connecting -> ready',
      'connect resolved',
      'ready -> closed',
      'close',
      'closed resolved',
      'shutdown resolved',
    ])
  })

  // libnbd: nbd_aio_is_negotiating
  test('in opt mode', async () => {
    const { handle, server } = await negotiating()
    const log = logOf(handle)
    const listing = handle.optList()
    await server.option(Opt.List)
    server.reply(Opt.List, Rep.ErrPolicy)
    await rejection(listing)
    const going = handle.optGo()
    await server.option(Opt.Go)
    server.grant(Opt.Go)
    await going
    expect(log).toEqual([
      'negotiating -> connecting',
      'connecting -> negotiating',
      'negotiating -> connecting',
      'connecting -> ready',
    ])
    handle.destroy()
    await settled()
    expect(log.slice(4)).toEqual(['ready -> dead', 'dead: the handle was destroyed'])
  })

  test('close comes when the connection is closed, not before', async () => {
    const { handle, server } = await ready()
    const log = logOf(handle)
    const leaving = handle.shutdown()
    await server.request(Cmd.Disc)
    await settled()
    expect(log).toEqual([])
    await server.hangUp()
    await leaving
    expect(log).toEqual(['ready -> closed', 'close'])
  })

  // libnbd: nbd_aio_is_dead
  test('dead is emitted once, whatever follows', async () => {
    const { handle, server } = await ready()
    const log = logOf(handle)
    handle.destroy(new Error('first'))
    handle.destroy(new Error('second'))
    server.reset()
    await settled()
    await handle[Symbol.asyncDispose]()
    expect(log).toEqual(['ready -> dead', 'dead: first'])
  })

  test('a failed dial', async () => {
    const handle = new Handle()
    const log = logOf(handle)
    await rejection(handle.connect({ address: 'none:', dial: () => Promise.reject(new Error('no')) }))
    expect(log).toEqual(['created -> connecting', 'connecting -> dead', 'dead: dial of none: failed: no'])
  })
})

describe('debug', () => {
  test('logs the handshake, all commands, all phases and the end', async () => {
    const server = new ScriptedServer()
    const handle = new Handle({ name: 'disk' })
    const messages: string[] = []
    handle.on('debug', (message) => messages.push(message))
    const connecting = handle.connect(server.transport)
    await server.handshake()
    await connecting
    const flushing = handle.flush()
    server.answer(await server.request(Cmd.Flush))
    await flushing
    await Promise.all([handle.shutdown(), server.farewell()])
    expect(messages).toEqual([
      'disk: <- NBDMAGIC IHAVEOPT flags=FIXED_NEWSTYLE|NO_ZEROES',
      'disk: -> client flags=FIXED_NEWSTYLE|NO_ZEROES',
      'disk: -> NBD_OPT_EXTENDED_HEADERS length=0',
      'disk: <- NBD_OPT_EXTENDED_HEADERS NBD_REP_ERR_UNSUP length=0',
      'disk: -> NBD_OPT_STRUCTURED_REPLY length=0',
      'disk: <- NBD_OPT_STRUCTURED_REPLY NBD_REP_ERR_UNSUP length=0',
      'disk: -> NBD_OPT_GO length=8 name="" infos=NBD_INFO_BLOCK_SIZE',
      'disk: <- NBD_OPT_GO NBD_REP_INFO length=12 NBD_INFO_EXPORT size=1048576 ' +
        'flags=HAS_FLAGS|SEND_FLUSH|SEND_FUA|SEND_TRIM|SEND_WRITE_ZEROES|SEND_CACHE|SEND_FAST_ZERO',
      'disk: <- NBD_OPT_GO NBD_REP_ACK length=0',
      'disk: opening -> transmission',
      'disk: -> FLUSH cookie=0x100000000 offset=0 length=0',
      'disk: <- SIMPLE_REPLY cookie=0x100000000 error=0',
      'disk: -> DISC cookie=0x0 offset=0 length=0',
      'disk: transmission -> disconnecting',
      'disk: disconnecting -> closed',
    ])
  })

  test('F2: has a line for a dial that fails, and for the end of a handle that was never connected', async () => {
    const lines: string[] = []
    const watchedHandle = (): Handle => {
      const handle = new Handle({ name: 'disk' })
      handle.on('debug', (line) => lines.push(line))
      return handle
    }
    const refusing: Transport = { address: 'none:', dial: () => Promise.reject(new Error('no\u001b one')) }
    await rejection(watchedHandle().connect(refusing))
    watchedHandle().destroy()
    const dialling = watchedHandle()
    const connecting = rejection(dialling.connect({ address: 'never:', dial: () => new Promise(() => {}) }))
    dialling.destroy(new Error('enough'))
    await connecting
    expect(lines).toEqual([
      'disk: connecting -> dead: dial of none: failed: no\\u001b one',
      'disk: created -> dead: the handle was destroyed',
      'disk: connecting -> dead: enough',
    ])
  })

  // libnbd: nbd_set_debug, nbd_get_debug, nbd_set_debug_callback, nbd_clear_debug_callback
  test('can be added and removed at any time', async () => {
    const { handle, server } = await ready()
    const messages: string[] = []
    const listener = (message: string): void => {
      messages.push(message)
    }
    handle.on('debug', listener)
    server.endOfFile()
    const { message } = (await rejection(handle.closed)) as Error
    expect(messages).toEqual([`${handle.name}: transmission -> dead: ${message}`])

    const { handle: other, server: another } = await negotiating()
    other.on('debug', listener)
    expect(other.listenerCount('debug')).toBe(1)
    other.off('debug', listener)
    expect(other.listenerCount('debug')).toBe(0)
    const going = other.optInfo()
    await another.option(Opt.Info)
    another.grant(Opt.Info)
    await going
    expect(messages).toHaveLength(1)
    other.destroy()
  })

  test('can be added inside a callback and removed inside an event', async () => {
    const { handle, server } = await ready({ structuredReplies: true })
    const messages: string[] = []
    const listener = (message: string): void => {
      messages.push(message)
      if (message.includes('NONE')) handle.off('debug', listener)
    }
    let flushing: Promise<void> | undefined
    // The flush leaves in the turn in which the chunk arrived.
    const reading = handle.preadStructured(new Uint8Array(8), 0, () => {
      handle.on('debug', listener)
      flushing = handle.flush()
    })
    const request = await server.request(Cmd.Read)
    server.send(encodeOffsetData(request, ReplyFlag.Done, 0, 8), new Uint8Array(8))
    const { cookieHigh, cookieLow } = await server.request(Cmd.Flush)
    server.send(encodeChunkHeader({ cookieHigh, cookieLow }, ReplyFlag.Done, Chunk.None, 0))
    await Promise.all([reading, flushing])
    await Promise.all([handle.shutdown(), server.farewell()])
    expect(messages).toEqual([
      `${handle.name}: -> FLUSH cookie=0x200000000 offset=0 length=0`,
      `${handle.name}: <- NONE cookie=0x200000000 DONE`,
    ])
  })
})

describe('a listener that throws', () => {
  /** Catches what would end the process as an uncaught exception. */
  function catchSurfacing(): unknown[] {
    const caught: unknown[] = []
    jest.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => {
      Promise.resolve()
        .then(task)
        .catch((error: unknown) => caught.push(error))
    })
    return caught
  }

  afterEach(() => {
    jest.restoreAllMocks()
  })

  test.each(['state', 'debug', 'close'] as const)(
    'for %s: its error is an uncaught exception',
    async (event) => {
      const caught = catchSurfacing()
      const server = new ScriptedServer()
      const handle = new Handle()
      let thrown = 0
      handle.on(event, () => {
        thrown++
        throw new Error(`from a listener to ${event}`)
      })
      const connecting = handle.connect(server.transport)
      await server.handshake()
      await connecting
      const flushing = handle.flush()
      server.answer(await server.request(Cmd.Flush))
      await flushing
      await Promise.all([handle.shutdown(), server.farewell()])
      await settled()
      expect(handle.state).toBe('closed')
      expect(thrown).toBeGreaterThan(0)
      expect(caught).toEqual(Array.from({ length: thrown }, () => new Error(`from a listener to ${event}`)))
    },
  )

  test('for dead: everything still rejects', async () => {
    const caught = catchSurfacing()
    const { handle, server } = await ready()
    handle.on('dead', () => {
      throw new Error('from a listener')
    })
    const flushing = rejection(handle.flush())
    await server.request(Cmd.Flush)
    server.reset()
    expect(await flushing).toHaveProperty('errno', 'ENOTCONN')
    await settled()
    expect(caught).toEqual([new Error('from a listener')])
  })
})

describe('a listener may call the handle', () => {
  test('optGo once it negotiates: connect and optGo both resolve', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    let going: Promise<unknown> | undefined
    handle.on('state', (next) => {
      if (next === 'negotiating') going ??= handle.optGo()
    })
    const connecting = handle.negotiate(server.transport)
    await server.open()
    await server.option(Opt.Go)
    expect(await connecting).toBeUndefined()
    server.grant(Opt.Go)
    expect(await going).toMatchObject({ size: 1048576n })
    expect(handle.state).toBe('ready')
    handle.destroy()
  })

  test('pread as soon as it is ready', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    let reading: Promise<unknown> | undefined
    handle.on('state', (next) => {
      if (next === 'ready') reading = handle.pread(1, 0)
    })
    const connecting = handle.connect(server.transport)
    await server.handshake()
    server.answer(await server.request(Cmd.Read), octets('2a'))
    await connecting
    expect(await reading).toEqual(octets('2a'))
    handle.destroy()
  })

  test('pread if the connection died in the turn that made it ready: it rejects', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const seen: [HandleState, HandleState][] = []
    let reading: Promise<unknown> | undefined
    handle.on('state', (next) => {
      seen.push([next, handle.state])
      if (next === 'ready') reading = rejection(handle.pread(1, 0))
    })
    const connecting = handle.connect(server.transport)
    await server.open()
    await server.option(Opt.Go)
    // In one piece: the end of the handshake, and then what no server may say.
    const info = encodeInfoExport({ size: 512, transmissionFlags: EVERYTHING })
    const granted = [encodeOptionReply(Opt.Go, Rep.Info, info), encodeOptionReply(Opt.Go, Rep.Ack)]
    const connected = rejection(connecting)
    server.send(...granted, octets('de ad be ef'))
    expect(await connected).toHaveProperty('code', 'ERR_NBD_PROTOCOL')
    expect(await reading).toMatchObject({
      ...{ code: 'ERR_NBD_CLOSED', errno: 'ENOTCONN', isConnectionLost: true },
      cause: expect.objectContaining({ code: 'ERR_NBD_PROTOCOL' }),
    })
    expect(seen).toEqual([
      ['connecting', 'connecting'],
      ['ready', 'dead'],
      ['dead', 'dead'],
    ])
  })

  describe.each([
    ['state', 3],
    ['debug', 15],
  ] as const)('destroy from %s', (event, last) => {
    test.each(Array.from({ length: last }, (_, index) => index + 1))('at the event number %d', async (at) => {
      const server = new ScriptedServer()
      const handle = new Handle()
      const log = logOf(handle)
      const reason = new Error('enough')
      let happened = 0
      handle.on(event, () => {
        happened++
        if (happened === at) handle.destroy(reason)
      })
      const living = async (): Promise<void> => {
        await handle.connect(server.transport)
        await handle.pread(1, 0)
        await handle.shutdown()
      }
      const serving = async (): Promise<void> => {
        await server.handshake()
        server.answer(await server.request(Cmd.Read), octets('2a'))
        await server.farewell()
      }
      const lived = living().catch(() => {})
      serving().catch(() => {})
      await lived
      await settled()
      expect(happened).toBeGreaterThanOrEqual(at)
      expect(handle.inFlight).toBe(0)
      // After the last event nothing is left to destroy.
      expect(handle.state).toBe(at === last ? 'closed' : 'dead')
      expect(log.at(-1)).toBe(at === last ? 'close' : 'dead: enough')
      expect(log.filter((line) => line === log.at(-1))).toHaveLength(1)
    })
  })

  test('destroy before the dial: nothing is dialled', async () => {
    const handle = new Handle()
    const reason = new Error('enough')
    handle.on('state', () => handle.destroy(reason))
    let dials = 0
    const transport: Transport = {
      address: 'never:',
      dial: () => {
        dials++
        return new Promise(() => {})
      },
    }
    expect(await rejection(handle.connect(transport))).toBe(reason)
    expect(dials).toBe(0)
  })

  test('destroy and shutdown from dead and close have no effect', async () => {
    const { handle, server } = await ready()
    const outcomes: unknown[] = []
    handle.on('dead', () => {
      handle.destroy(new Error('again'))
      void handle.shutdown().then(() => outcomes.push('resolved'))
    })
    const reason = new Error('enough')
    handle.destroy(reason)
    expect(await rejection(handle.closed)).toBe(reason)
    await server.disconnected()
    expect(outcomes).toEqual(['resolved'])
  })

  test('shutdown as soon as it is ready', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    let leaving: Promise<void> | undefined
    handle.on('state', (next) => {
      if (next === 'ready') leaving = handle.shutdown()
    })
    const connecting = handle.connect(server.transport)
    await server.handshake()
    await server.farewell()
    await connecting
    await leaving
    expect(handle.state).toBe('closed')
  })

  test('a whole new handle from close', async () => {
    const next = new ScriptedServer()
    const second = new Handle()
    const { handle, server } = await ready()
    let connecting: Promise<unknown> | undefined
    handle.on('close', () => {
      connecting = second.connect(next.transport)
    })
    await Promise.all([handle.shutdown(), server.farewell()])
    await next.handshake()
    await connecting
    expect(second.state).toBe('ready')
    second.destroy()
  })
})
