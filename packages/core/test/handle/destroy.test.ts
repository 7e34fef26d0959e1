import { describe, expect, jest, test } from '@jest/globals'
import { connect, Handle, negotiate } from '@nbdjs/core'
import { Cmd, encodeOffsetData, Opt, ReplyFlag } from '@nbdjs/core/wire'
import { repeated } from '../bytes.js'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { ScriptedServer } from './scripted-server.js'
import { outcomeOf, rejection, settled } from './settle-promises.js'

watchLeaks()

const reason = new Error('enough')

/** What a handle shows right after its end, in the same turn. */
const ended = { state: 'dead', inFlight: 0 }

describe('destroy() inside a callback', () => {
  test.each(['ready', 'connecting'] as const)('of `state`, when it becomes %s', async (state) => {
    const server = new ScriptedServer()
    const handle = new Handle()
    handle.on('state', (next) => {
      if (next === state) handle.destroy(reason)
    })
    const connecting = rejection(handle.connect(server.transport))
    if (state === 'ready') await server.handshake()
    expect(await connecting).toBe(reason)
    expect(handle).toMatchObject(ended)
    expect(await rejection(handle.closed)).toBe(reason)
  })

  test.each(['-> READ', '<- OFFSET_DATA'])('of `debug`, at %s', async (frame) => {
    const { handle, server } = await ready({ structuredReplies: true })
    const lines: string[] = []
    handle.on('debug', (line) => {
      lines.push(line)
      if (line.includes(frame)) handle.destroy(reason)
    })
    const reading = rejection(handle.pread(4, 0))
    if (frame.startsWith('<-')) {
      const request = await server.request(Cmd.Read)
      server.send(encodeOffsetData(request, 0, 0, 2), repeated(7, 2))
    }
    expect(await reading).toBe(reason)
    expect(lines.some((line) => line.includes(frame))).toBe(true)
    expect(handle).toMatchObject(ended)
    await server.disconnected()
  })

  test('of `dead` and `close` has no effect', async () => {
    const { handle, server } = await ready()
    handle.on('dead', () => handle.destroy(new Error('another')))
    handle.destroy(reason)
    expect(await rejection(handle.closed)).toBe(reason)
    await server.disconnected()

    const other = await ready()
    other.handle.on('close', () => other.handle.destroy(reason))
    await Promise.all([other.handle.shutdown(), other.server.farewell()])
    expect(other.handle.state).toBe('closed')
  })

  test('of a chunk: the chunks behind it are not delivered', async () => {
    const { handle, server } = await ready({ structuredReplies: true })
    const offsets: bigint[] = []
    const buffer = new Uint8Array(4)
    const reading = rejection(
      handle.preadStructured(buffer, 0, ({ offset }) => {
        offsets.push(offset)
        handle.destroy(reason)
      }),
    )
    const request = await server.request(Cmd.Read)
    server.send(
      encodeOffsetData(request, 0, 0, 2),
      repeated(7, 2),
      encodeOffsetData(request, ReplyFlag.Done, 2, 2),
      repeated(7, 2),
    )
    expect(await reading).toBe(reason)
    expect(offsets).toEqual([0n])
    expect(handle).toMatchObject(ended)
  })

  test('of a promise that has just resolved', async () => {
    const { handle, server } = await ready()
    const [first, second] = [handle.flush(), rejection(handle.flush())]
    const destroyed = first.then(() => handle.destroy(reason))
    const request = await server.request(Cmd.Flush)
    server.answer(request)
    await destroyed
    expect(await second).toBe(reason)
    expect(handle).toMatchObject(ended)
  })
})

describe('an abort while negotiating', () => {
  test.each([
    ['optGo', Opt.Go, (handle: Handle, signal: AbortSignal) => handle.optGo({ signal })],
    ['optInfo', Opt.Info, (handle: Handle, signal: AbortSignal) => handle.optInfo({ signal })],
    ['optList', Opt.List, (handle: Handle, signal: AbortSignal) => handle.optList({ signal })],
  ])('of %s ends the handle at once, and dispose after it resolves', async (_, option, call) => {
    const { handle, server } = await negotiating()
    const controller = new AbortController()
    const calling = rejection(call(handle, controller.signal))
    await server.option(option)
    const { bytesSent } = handle.stats
    controller.abort(reason)
    expect(handle).toMatchObject(ended)
    expect(handle.stats.bytesSent).toBe(bytesSent)
    expect(await calling).toBe(reason)
    await handle[Symbol.asyncDispose]()
    await handle.shutdown()
    await server.disconnected()
  })

  test('of negotiate() itself leaves nothing open', async () => {
    const server = new ScriptedServer()
    const controller = new AbortController()
    const connecting = rejection(negotiate(server.transport, { signal: controller.signal }))
    await server.greet()
    controller.abort(reason)
    expect(await connecting).toBe(reason)
    await server.disconnected()
  })

  test('B1: dispose sends NBD_OPT_ABORT and leaves a server that never closes after closeMs', async () => {
    const { handle, server } = await negotiating({}, { timeouts: { closeMs: 100 } })
    const disposing = handle[Symbol.asyncDispose]()
    await server.option(Opt.Abort)
    expect(await outcomeOf(disposing)).toBe('pending')
    await jest.advanceTimersByTimeAsync(100)
    await disposing
    expect(handle.state).toBe('closed')
  })
})

describe('inFlight and stats, right after', () => {
  test('an abort before the request is sent: nothing', async () => {
    const { handle } = await ready()
    const before = handle.stats
    const controller = new AbortController()
    const writing = rejection(handle.pwrite(repeated(7, 1000), 0, { signal: controller.signal }))
    expect(handle.inFlight).toBe(1)
    controller.abort(reason)
    expect(handle.inFlight).toBe(0)
    expect(await writing).toBe(reason)
    await settled()
    expect(handle.stats).toEqual(before)
    handle.destroy()
  })

  test('an abort of what was sent: the command, until its reply has arrived', async () => {
    const { handle, server } = await ready()
    const before = handle.stats
    const controller = new AbortController()
    const writing = rejection(handle.pwrite(repeated(7, 1000), 0, { signal: controller.signal }))
    const request = await server.request(Cmd.Write)
    controller.abort(reason)
    expect(await writing).toBe(reason)
    expect(handle.inFlight).toBe(1)
    expect(handle.stats.bytesSent - before.bytesSent).toBe(1028)
    expect(handle.stats.chunksSent - before.chunksSent).toBe(1)
    server.answer(request)
    await settled()
    expect(handle.inFlight).toBe(0)
    expect(handle.stats.chunksReceived - before.chunksReceived).toBe(1)
    handle.destroy()
  })

  test('destroy(): no command, and the bytes that were transferred', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const commands = [rejection(handle.flush()), rejection(handle.flush({ timeoutMs: 100 }))]
    await server.request(Cmd.Flush)
    const { stats } = handle
    handle.destroy(reason)
    expect(handle).toMatchObject(ended)
    expect(handle.stats).toEqual(stats)
    expect(await Promise.all(commands)).toEqual([reason, reason])
  })

  test('a handle of connect() that was destroyed while it dials: nothing', async () => {
    let dialled: Handle | undefined
    const connecting = rejection(
      connect(
        { address: 'never:', dial: () => new Promise(() => {}) },
        {
          onHandle: (handle) => {
            dialled = handle
          },
        },
      ),
    )
    dialled?.destroy(reason)
    expect(await connecting).toBe(reason)
    expect(dialled).toMatchObject({ ...ended, stats: { bytesSent: 0, bytesReceived: 0 } })
  })
})
