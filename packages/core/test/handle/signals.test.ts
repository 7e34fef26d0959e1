import { getEventListeners } from 'node:events'
import { types } from 'node:util'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type CommandOptions, Handle, type NbdClosedError, type Transport } from '@nbdjs/core'
import { Cmd, encodeOffsetData, encodeSimpleReply, Opt, ReplyFlag } from '@nbdjs/core/wire'
import { octets, repeated } from '../bytes.js'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { ScriptedServer } from './scripted-server.js'
import { microtasks, outcomeOf, rejection, settled } from './settle-promises.js'

watchLeaks()

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

/** The library must reject with these very objects, whatever they are. */
const reasons: readonly [string, unknown][] = [
  ['an error', new TypeError('enough')],
  ['a string', 'enough'],
  ['undefined, which becomes an AbortError', undefined],
  ['null', null],
  ['an object', { code: 42 }],
]

describe('a signal that is aborted before the call', () => {
  test.each(reasons)(
    'rejects connect with its reason (%s), and the handle stays created',
    async (_, reason) => {
      const server = new ScriptedServer()
      const handle = new Handle()
      const signal = AbortSignal.abort(reason)
      expect(await rejection(handle.connect(server.transport, { signal }))).toBe(signal.reason)
      expect(handle.state).toBe('created')
      expect(listenersOf(signal)).toBe(0)

      const connecting = handle.connect(server.transport)
      await server.handshake()
      await connecting
      handle.destroy()
    },
  )

  test.each([
    ['optGo', (handle: Handle, signal: AbortSignal) => handle.optGo({ signal })],
    ['optInfo', (handle: Handle, signal: AbortSignal) => handle.optInfo({ signal })],
    ['optList', (handle: Handle, signal: AbortSignal) => handle.optList({ signal })],
    ['optStructuredReply', (handle: Handle, signal: AbortSignal) => handle.optStructuredReply({ signal })],
    ['optAbort', (handle: Handle, signal: AbortSignal) => handle.optAbort({ signal })],
    ['shutdown', (handle: Handle, signal: AbortSignal) => handle.shutdown({ signal })],
  ])('rejects %s, sends nothing, and the handle stays negotiating', async (_, call) => {
    const { handle, server } = await negotiating()
    const { bytesFromClient } = server
    const signal = AbortSignal.abort('enough')
    expect(await rejection(call(handle, signal))).toBe('enough')
    await settled()
    expect(handle.state).toBe('negotiating')
    expect(server.bytesFromClient).toBe(bytesFromClient)
    expect(listenersOf(signal)).toBe(0)
    handle.destroy()
  })

  test.each<[string, (handle: Handle, signal: AbortSignal) => Promise<unknown>]>([
    ['pread', (handle, signal) => handle.pread(1, 0, { signal })],
    ['preadInto', (handle, signal) => handle.preadInto(new Uint8Array(1), 0, { signal })],
    ['pwrite', (handle, signal) => handle.pwrite(new Uint8Array(1), 0, { signal })],
    ['zero', (handle, signal) => handle.zero(1, 0, { signal })],
    ['trim', (handle, signal) => handle.trim(1, 0, { signal })],
    ['cache', (handle, signal) => handle.cache(1, 0, { signal })],
    ['flush', (handle, signal) => handle.flush({ signal })],
    ['shutdown', (handle, signal) => handle.shutdown({ signal })],
  ])('rejects %s, sends nothing, and the handle stays ready', async (_, call) => {
    const { handle, server } = await ready()
    const { bytesFromClient } = server
    const signal = AbortSignal.abort('enough')
    expect(await rejection(call(handle, signal))).toBe('enough')
    await settled()
    expect(handle).toMatchObject({ state: 'ready', inFlight: 0 })
    expect(server.bytesFromClient).toBe(bytesFromClient)
    expect(listenersOf(signal)).toBe(0)
    handle.destroy()
  })

  test('a wrong argument is reported first', async () => {
    const { handle } = await ready()
    const signal = AbortSignal.abort('enough')
    expect(await rejection(handle.pread(-1, 0, { signal }))).toHaveProperty('code', 'ERR_NBD_USAGE')
    handle.destroy()
  })
})

describe('while connecting', () => {
  let controller: AbortController
  let signal: AbortSignal

  beforeEach(() => {
    controller = new AbortController()
    signal = controller.signal
  })

  afterEach(() => {
    expect(listenersOf(signal)).toBe(0)
  })

  async function expectAbort(handle: Handle, call: Promise<unknown>, reason?: unknown): Promise<void> {
    controller.abort(reason)
    expect(await rejection(call)).toBe(signal.reason)
    expect(handle.state).toBe('dead')
    const died = await rejection(handle.closed)
    if (types.isNativeError(signal.reason) || signal.reason instanceof DOMException)
      expect(died).toBe(signal.reason)
    else
      expect(died).toMatchObject({
        code: 'ERR_NBD_CLOSED',
        errno: 'ENOTCONN',
        message: 'the handle was destroyed',
        cause: signal.reason,
      })
  }

  test.each(reasons)('the dial is aborted, with %s', async (_, reason) => {
    let dialled: AbortSignal | undefined
    const transport: Transport = {
      address: 'slow:',
      dial: (options) => {
        dialled = options.signal
        return new Promise((_resolve, reject) => {
          options.signal.addEventListener('abort', () => reject(new Error('told in other words')))
        })
      },
    }
    const handle = new Handle()
    const connecting = handle.connect(transport, { signal })
    await settled()
    await expectAbort(handle, connecting, reason)
    expect(dialled?.aborted).toBe(true)
  })

  test('a transport that ignores the signal delays nothing, and a connection that it opens later is destroyed', async () => {
    const server = new ScriptedServer()
    let open = (): void => {}
    const transport: Transport = {
      address: 'deaf:',
      dial: (options) =>
        new Promise((resolve) => {
          open = () => resolve(server.transport.dial({ signal: new AbortController().signal }))
          void options
        }),
    }
    const handle = new Handle()
    const connecting = handle.connect(transport, { signal })
    await settled()
    await expectAbort(handle, connecting)
    open()
    await server.disconnected()
    expect(server.bytesFromClient).toBe(0)
  })

  test.each([
    ['before the greeting', async () => {}],
    ['in the middle of the greeting', async (server: ScriptedServer) => server.send(octets('4e 42 44'))],
    ['while an option is answered', async (server: ScriptedServer) => void (await server.greet())],
  ])('the handshake is aborted %s', async (_, begin) => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const connecting = handle.connect(server.transport, { signal })
    await server.dialled()
    await begin(server)
    await settled()
    await expectAbort(handle, connecting, new Error('enough'))
    await server.disconnected()
  })

  test.each([
    ['optGo', (handle: Handle) => handle.optGo({ signal }), Opt.Go],
    ['optInfo', (handle: Handle) => handle.optInfo({ signal }), Opt.Info],
    ['optList', (handle: Handle) => handle.optList({ signal }), Opt.List],
    ['optStructuredReply', (handle: Handle) => handle.optStructuredReply({ signal }), Opt.StructuredReply],
    ['optAbort', (handle: Handle) => handle.optAbort({ signal }), Opt.Abort],
    ['shutdown', (handle: Handle) => handle.shutdown({ signal }), Opt.Abort],
  ])('%s is aborted while it waits', async (_, call, option) => {
    const { handle, server } = await negotiating()
    const calling = call(handle)
    await server.option(option)
    await expectAbort(handle, calling)
    await server.disconnected()
  })

  test('after connect has resolved, the signal has no effect', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const connecting = handle.connect(server.transport, { signal })
    await server.handshake()
    await connecting
    expect(listenersOf(signal)).toBe(0)
    controller.abort()
    expect(handle.state).toBe('ready')
    handle.destroy()
  })

  test('between the last byte and the end of connect, it still has an effect', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    handle.on('state', (next) => {
      if (next === 'ready') controller.abort('enough')
    })
    const connecting = rejection(handle.connect(server.transport, { signal }))
    await server.handshake()
    expect(await connecting).toBe('enough')
    expect(handle.state).toBe('dead')
  })

  test('one signal for connect and for what follows', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const connecting = handle.connect(server.transport, { signal })
    await server.handshake()
    await connecting
    const reading = handle.pread(1, 0, { signal })
    await server.request(Cmd.Read)
    controller.abort('enough')
    expect(await rejection(reading)).toBe('enough')
    expect(handle.state).toBe('ready')
    handle.destroy()
  })
})

describe('a command', () => {
  let controller: AbortController
  let signal: AbortSignal

  beforeEach(() => {
    controller = new AbortController()
    signal = controller.signal
  })

  afterEach(() => {
    expect(listenersOf(signal)).toBe(0)
  })

  test.each(reasons)('rejects at once, with %s', async (_, reason) => {
    const { handle, server } = await ready()
    const flushing = handle.flush({ signal })
    await server.request(Cmd.Flush)
    controller.abort(reason)
    expect(await rejection(flushing)).toBe(signal.reason)
    handle.destroy()
  })

  test('queued in the turn of its call is never sent', async () => {
    const { handle, server } = await ready()
    const { bytesFromClient } = server
    const flushing = handle.flush({ signal })
    controller.abort('enough')
    expect(await rejection(flushing)).toBe('enough')
    await settled()
    expect(server.bytesFromClient).toBe(bytesFromClient)
    expect(handle.inFlight).toBe(0)
    handle.destroy()
  })

  test('queued because of a limit is never sent, and the others are', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const before = handle.flush()
    const aborted = handle.pread(1, 0, { signal })
    const after = handle.trim(1, 0)
    const flush = await server.request(Cmd.Flush)
    controller.abort('enough')
    expect(await rejection(aborted)).toBe('enough')
    expect(handle.inFlight).toBe(2)
    server.answer(flush)
    server.answer(await server.request(Cmd.Trim))
    await Promise.all([before, after])
    handle.destroy()
  })

  test('in flight: its reply is drained, and the connection continues', async () => {
    const { handle, server } = await ready()
    const aborted = handle.pread(4, 0, { signal })
    const neighbour = handle.pread(4, 4)
    const requests = [await server.request(Cmd.Read), await server.request(Cmd.Read)] as const
    controller.abort('enough')
    expect(await rejection(aborted)).toBe('enough')
    expect(handle.inFlight).toBe(2)
    server.answer(requests[0], octets('00 01 02 03'))
    server.answer(requests[1], octets('04 05 06 07'))
    expect(await neighbour).toEqual(octets('04 05 06 07'))
    expect(handle).toMatchObject({ state: 'ready', inFlight: 0 })
    handle.destroy()
  })

  test('in flight, and its reply is an error: it is ignored', async () => {
    const { handle, server } = await ready()
    const aborted = handle.pread(4, 0, { signal })
    const request = await server.request(Cmd.Read)
    controller.abort('enough')
    expect(await rejection(aborted)).toBe('enough')
    server.refuse(request, 5)
    await settled()
    expect(handle).toMatchObject({ state: 'ready', inFlight: 0 })
    handle.destroy()
  })

  test('after it was settled, the signal has no effect', async () => {
    const { handle, server } = await ready()
    const flushing = handle.flush({ signal })
    server.answer(await server.request(Cmd.Flush))
    await flushing
    expect(listenersOf(signal)).toBe(0)
    controller.abort()
    await settled()
    expect(handle.state).toBe('ready')
    handle.destroy()
  })

  test('the end of the handle removes the listeners', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const reading = [handle.pread(1, 0, { signal }), handle.pread(1, 0, { signal })].map(rejection)
    await server.request(Cmd.Read)
    expect(listenersOf(signal)).toBe(1)
    const reason = new Error('enough')
    handle.destroy(reason)
    expect(await Promise.all(reading)).toEqual([reason, reason])
    expect(listenersOf(signal)).toBe(0)
  })

  test('a hundred on one signal: one listener, no warning, all rejected', async () => {
    const warnings: unknown[] = []
    const note = (warning: unknown): void => {
      warnings.push(warning)
    }
    process.on('warning', note)
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 50 } })
    const flushing = Array.from({ length: 100 }, () => handle.flush({ signal }))
    const bystander = handle.trim(1, 0)
    expect(listenersOf(signal)).toBe(1)
    const sent = [await server.request(Cmd.Flush)]
    while (sent.length < 50) sent.push(await server.request(Cmd.Flush))
    server.answer(sent[0] as (typeof sent)[0])
    await flushing[0]
    controller.abort('enough')
    const reasonsTold = await Promise.all(flushing.slice(1).map(rejection))
    expect(new Set(reasonsTold)).toEqual(new Set(['enough']))
    for (const request of sent.slice(1)) server.answer(request)
    // The flush that took the first one's place had been sent, the 49 behind it were not.
    server.answer(await server.request(Cmd.Flush))
    server.answer(await server.request(Cmd.Trim))
    await bystander
    expect(handle).toMatchObject({ state: 'ready', inFlight: 0 })
    await settled()
    process.off('warning', note)
    expect(warnings).toEqual([])
    handle.destroy()
  })

  test('signals of several callers are independent', async () => {
    const { handle, server } = await ready()
    const other = new AbortController()
    const mine = handle.flush({ signal })
    const theirs = handle.flush({ signal: other.signal })
    const requests = [await server.request(Cmd.Flush), await server.request(Cmd.Flush)] as const
    controller.abort('enough')
    expect(await rejection(mine)).toBe('enough')
    expect(await outcomeOf(theirs)).toBe('pending')
    server.answer(requests[1])
    await theirs
    expect(listenersOf(other.signal)).toBe(0)
    server.answer(requests[0])
    handle.destroy()
  })

  test('shutdown does not wait for aborted commands in the queue', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const flushing = handle.flush()
    const aborted = handle.flush({ signal })
    const flush = await server.request(Cmd.Flush)
    const leaving = handle.shutdown()
    controller.abort('enough')
    expect(await rejection(aborted)).toBe('enough')
    server.answer(flush)
    await Promise.all([flushing, leaving, server.farewell()])
    expect(handle.state).toBe('closed')
  })
})

describe('A2: abort', () => {
  const commands: readonly [string, number, (handle: Handle, options: CommandOptions) => Promise<unknown>][] =
    [
      ['pread', Cmd.Read, (handle, options) => handle.pread(4, 0, options)],
      ['preadInto', Cmd.Read, (handle, options) => handle.preadInto(new Uint8Array(4), 0, options)],
      ['pwrite', Cmd.Write, (handle, options) => handle.pwrite(new Uint8Array(4), 0, options)],
      ['zero', Cmd.WriteZeroes, (handle, options) => handle.zero(4, 0, options)],
      ['trim', Cmd.Trim, (handle, options) => handle.trim(4, 0, options)],
      ['cache', Cmd.Cache, (handle, options) => handle.cache(4, 0, options)],
      ['flush', Cmd.Flush, (handle, options) => handle.flush(options)],
    ]

  test.each(commands)('of %s: `detach` rejects at once', async (_, type, call) => {
    const { handle, server } = await ready()
    const controller = new AbortController()
    const calling = rejection(call(handle, { signal: controller.signal, abort: 'detach' }))
    await server.request(type as Cmd)
    controller.abort('enough')
    expect(await calling).toBe('enough')
    expect(handle.inFlight).toBe(1)
    handle.destroy()
  })

  test.each(commands)('of %s: `settle` rejects once the reply has arrived', async (_, type, call) => {
    const { handle, server } = await ready()
    const controller = new AbortController()
    const calling = rejection(call(handle, { signal: controller.signal, abort: 'settle' }))
    const request = await server.request(type as Cmd)
    controller.abort('enough')
    expect(await outcomeOf(calling)).toBe('pending')
    server.answer(request, type === Cmd.Read ? octets('01 02 03 04') : octets())
    expect(await calling).toBe('enough')
    expect(handle).toMatchObject({ state: 'ready', inFlight: 0 })
    expect(listenersOf(controller.signal)).toBe(0)
    handle.destroy()
  })

  test.each<[string, (handle: Handle, server: ScriptedServer) => void]>([
    ['destroy()', (handle) => handle.destroy()],
    ['a reset', (_, server) => server.reset()],
    ['the end of the server', (_, server) => server.endOfFile()],
  ])('`settle` rejects with the reason of the signal after %s', async (_, endIt) => {
    const { handle, server } = await ready()
    const controller = new AbortController()
    const flushing = rejection(handle.flush({ signal: controller.signal, abort: 'settle' }))
    await server.request(Cmd.Flush)
    controller.abort(null)
    expect(await outcomeOf(flushing)).toBe('pending')
    endIt(handle, server)
    expect(await flushing).toBe(null)
    await rejection(handle.closed)
  })

  test('`settle` rejects at once if the command was not sent', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const controller = new AbortController()
    const first = rejection(handle.flush())
    const waiting = rejection(
      handle.pwrite(new Uint8Array(4), 0, { signal: controller.signal, abort: 'settle' }),
    )
    await server.request(Cmd.Flush)
    controller.abort('enough')
    expect(await waiting).toBe('enough')
    expect(handle.inFlight).toBe(1)
    handle.destroy()
    await first
  })

  test('a write that was aborted with `settle` is answered before a later one is sent', async () => {
    const { handle, server } = await ready()
    const controller = new AbortController()
    const order: string[] = []
    const restoring = (async (): Promise<void> => {
      const ones = handle.pwrite(octets('01'), 0, { signal: controller.signal, abort: 'settle' })
      await ones.catch(() => order.push('first rejected'))
      await handle.pwrite(octets('02'), 0)
      order.push('second resolved')
    })()
    const first = await server.request(Cmd.Write)
    controller.abort('enough')
    await settled()
    expect(order).toEqual([])
    server.answer(first)
    server.answer(await server.request(Cmd.Write, { offset: 0 }))
    await restoring
    expect(order).toEqual(['first rejected', 'second resolved'])
    handle.destroy()
  })

  test('an error reply to a command that was aborted with `settle` is not reported', async () => {
    const { handle, server } = await ready()
    const controller = new AbortController()
    const flushing = rejection(handle.flush({ signal: controller.signal, abort: 'settle' }))
    const request = await server.request(Cmd.Flush)
    controller.abort('enough')
    server.refuse(request, 5)
    expect(await flushing).toBe('enough')
    handle.destroy()
  })

  test.each([0, 'no', null, {}])('rejects the value %p', async (abort) => {
    const { handle } = await ready()
    expect(await rejection(handle.flush({ abort } as unknown as CommandOptions))).toMatchObject({
      code: 'ERR_NBD_USAGE',
      message: expect.stringContaining("flush: abort: expected one of 'detach', 'settle', received "),
    })
    handle.destroy()
  })

  test.each([-1, Number.NaN, 2 ** 31, '5', null])('rejects a timeoutMs of %p', async (timeoutMs) => {
    const { handle } = await ready()
    expect(await rejection(handle.flush({ timeoutMs } as unknown as CommandOptions))).toMatchObject({
      code: 'ERR_NBD_USAGE',
      message: expect.stringContaining(
        'flush: timeoutMs: expected a number of milliseconds from 0 to 2147483647, received ',
      ),
    })
    handle.destroy()
  })
})

describe('preadInto with a signal never writes to the buffer after the abort', () => {
  const LENGTH = 100_000

  test.each([
    ['before any byte', 0],
    ['in the middle of a short part', 1000],
    ['in the middle of the payload', 50_000],
    ['before the last byte', LENGTH - 1],
  ])('%s (a simple reply)', async (_, first) => {
    const { handle, server } = await ready()
    const controller = new AbortController()
    const buffer = repeated(0xee, LENGTH)
    const reading = handle.preadInto(buffer, 0, { signal: controller.signal })
    const request = await server.request(Cmd.Read)
    server.send(encodeSimpleReply(request, 0))
    if (first > 0) server.send(repeated(7, first))
    await settled()
    expect(buffer.lastIndexOf(7)).toBe(first - 1)

    controller.abort('enough')
    expect(await rejection(reading)).toBe('enough')
    buffer.fill(0xaa)
    server.send(repeated(7, LENGTH - first))
    const flushing = handle.flush()
    server.answer(await server.request(Cmd.Flush))
    await flushing
    expect(Buffer.compare(buffer, repeated(0xaa, LENGTH))).toBe(0)
    handle.destroy()
  })

  test('in the middle of a chunk', async () => {
    const { handle, server } = await ready({ structuredReplies: true })
    const controller = new AbortController()
    const buffer = repeated(0xee, LENGTH)
    const reading = handle.preadInto(buffer, 0, { signal: controller.signal })
    const request = await server.request(Cmd.Read)
    server.send(encodeOffsetData(request, ReplyFlag.Done, 0, LENGTH), repeated(7, 30_000))
    await settled()
    controller.abort('enough')
    expect(await rejection(reading)).toBe('enough')
    buffer.fill(0xaa)
    server.send(repeated(7, LENGTH - 30_000))
    const flushing = handle.flush()
    server.answer(await server.request(Cmd.Flush))
    await flushing
    expect(Buffer.compare(buffer, repeated(0xaa, LENGTH))).toBe(0)
    handle.destroy()
  })

  test('nor after destroy(), without a signal', async () => {
    const { handle, server } = await ready()
    const buffer = repeated(0xee, LENGTH)
    const reading = rejection(handle.preadInto(buffer, 0))
    const request = await server.request(Cmd.Read)
    server.send(encodeSimpleReply(request, 0), repeated(7, 50_000))
    await settled()
    server.send(repeated(7, LENGTH - 50_000))
    handle.destroy()
    await reading
    buffer.fill(0xaa)
    await settled()
    expect(Buffer.compare(buffer, repeated(0xaa, LENGTH))).toBe(0)
  })
})

describe('destroy', () => {
  // libnbd: nbd_close
  test('with an error: everything rejects with that error', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const told: unknown[] = []
    handle.on('dead', (error) => told.push(error))
    const pending = [handle.flush(), handle.pread(1, 0), handle.shutdown()].map(rejection)
    await server.request(Cmd.Flush)
    const reason = new RangeError('enough')
    handle.destroy(reason)
    expect(handle).toMatchObject({ state: 'dead', inFlight: 0 })
    expect(await Promise.all(pending)).toEqual([reason, reason, reason])
    expect(await rejection(handle.closed)).toBe(reason)
    expect(told).toEqual([reason])
    await server.disconnected()
  })

  test.each([
    ['of a signal', AbortSignal.abort().reason],
    ['of another realm', runInNewContext('new RangeError("enough")')],
  ])('with an error %s: with that error too', async (_, reason) => {
    const { handle } = await ready()
    const flushing = rejection(handle.flush())
    handle.destroy(reason)
    expect(await flushing).toBe(reason)
    expect(await rejection(handle.closed)).toBe(reason)
  })

  test.each([
    ['no reason', undefined, {}],
    ['a string', 'enough', { cause: 'enough' }],
    ['null', null, { cause: null }],
  ])('with %s: everything rejects with an NbdClosedError', async (_, reason, details) => {
    const { handle, server } = await ready()
    const flushing = handle.flush()
    await server.request(Cmd.Flush)
    handle.destroy(reason)
    const error = (await rejection(flushing)) as NbdClosedError
    expect(error).toMatchObject({
      name: 'NbdClosedError',
      code: 'ERR_NBD_CLOSED',
      errno: 'ENOTCONN',
      message: 'the handle was destroyed',
      ...details,
    })
    expect('cause' in error).toBe('cause' in details)
    expect(await rejection(handle.closed)).toBe(error)
  })

  test('twice: the first reason stays', async () => {
    const { handle } = await ready()
    const first = new Error('first')
    handle.destroy(first)
    handle.destroy(new Error('second'))
    expect(await rejection(handle.closed)).toBe(first)
  })

  test('before connect: dead, without a connection', async () => {
    const handle = new Handle()
    const reason = new Error('enough')
    const states: string[] = []
    handle.on('state', (next, previous) => states.push(`${previous} -> ${next}`))
    handle.destroy(reason)
    expect(await rejection(handle.closed)).toBe(reason)
    expect(states).toEqual(['created -> dead'])
  })

  test('while dialling: connect rejects with the reason', async () => {
    const handle = new Handle()
    const connecting = rejection(handle.connect({ address: 'never:', dial: () => new Promise(() => {}) }))
    const reason = new Error('enough')
    handle.destroy(reason)
    expect(await connecting).toBe(reason)
    expect(handle.state).toBe('dead')
  })

  test('in any microtask between dial and handshake leaves nothing open', async () => {
    for (let passed = 0; passed < 30; passed++) {
      const server = new ScriptedServer()
      const handle = new Handle()
      const connecting = rejection(handle.connect(server.transport))
      await microtasks(passed)
      const reason = new Error('enough')
      handle.destroy(reason)
      expect(await connecting).toBe(reason)
      await server.disconnected()
      expect(handle.state).toBe('dead')
    }
  })
})

test('shutdown is aborted: the handle is dead and everything in flight rejects', async () => {
  const { handle, server } = await ready()
  const controller = new AbortController()
  const flushing = rejection(handle.flush())
  const leaving = rejection(handle.shutdown({ signal: controller.signal }))
  await server.request(Cmd.Flush)
  const reason = new Error('enough')
  controller.abort(reason)
  expect(await Promise.all([flushing, leaving])).toEqual([reason, reason])
  expect(handle.state).toBe('dead')
  expect(listenersOf(controller.signal)).toBe(0)
})
