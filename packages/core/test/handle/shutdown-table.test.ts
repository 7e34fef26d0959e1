import { describe, expect, jest, test } from '@jest/globals'
import { type CommandOptions, type Handle, NbdTransportError } from '@nbdjs/core'
import { Cmd, type Request } from '@nbdjs/core/wire'
import { joined, octets } from '../bytes.js'
import { ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { HandConnection } from './manual-connection.js'
import { readyOn } from './manual-connections.js'
import type { ScriptedServer } from './scripted-server.js'
import { outcomeOf, rejection, settled } from './settle-promises.js'

watchLeaks()

const CLOSE_MS = 1000
const thrown = new Error('thrown in the block')
const reason = new Error('given up')

/** A command in flight when the handle is asked to end. */
interface InFlight {
  /** Settles with the outcome of the command. */
  readonly outcome?: Promise<unknown>
  readonly request?: Request
}

type Setup = (handle: Handle, server: ScriptedServer) => Promise<InFlight>

function reading(options: CommandOptions, isAborted: boolean): Setup {
  return async (handle, server) => {
    const controller = new AbortController()
    const { signal } = controller
    const outcome = handle.pread(1, 0, isAborted ? { ...options, signal } : options).catch((error) => error)
    const request = await server.request(Cmd.Read)
    if (isAborted) controller.abort(reason)
    await settled()
    return { outcome, request }
  }
}

const nothing: Setup = async () => ({})
const live = reading({}, false)
const aborted = reading({}, true)
const settling = reading({ abort: 'settle' }, true)

/** How the handle is asked to end. The error of dispose is what an `await using` block rejects with. */
const calls: Readonly<Record<string, (handle: Handle) => Promise<unknown>>> = {
  'shutdown()': (handle) => handle.shutdown(),
  'shutdown({ abandonPending })': (handle) => handle.shutdown({ abandonPending: true }),
  dispose: (handle) => using(handle),
  'dispose while an error is thrown': (handle) => using(handle, thrown),
}

async function using(handle: Handle, error?: Error): Promise<unknown> {
  await using _ = handle
  if (error !== undefined) throw error
  return undefined
}

const isDispose = (call: string): boolean => call.startsWith('dispose')
const resultOf = (call: string): unknown => (call === 'dispose while an error is thrown' ? thrown : undefined)

async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms)
  await settled()
}

describe.each(Object.entries(calls))('B1: %s', (name, call) => {
  test.each<[string, Setup]>([
    ['nothing is in flight', nothing],
    ['an aborted command is in flight, which is never answered', aborted],
    ['a command that was aborted with `settle` is in flight, which is never answered', settling],
  ])('sends NBD_CMD_DISC at once when %s', async (_, setUp) => {
    const { handle, server } = await ready({}, { timeouts: { closeMs: CLOSE_MS } })
    const { outcome } = await setUp(handle, server)
    const ending = call(handle).catch((error) => error)
    await server.farewell()
    expect(await ending).toBe(resultOf(name))
    expect(handle.state).toBe('closed')
    if (outcome !== undefined) expect(await outcome).toBe(reason)
  })

  test.each<[string, Setup]>([
    ['an aborted command', aborted],
    ['a command that was aborted with `settle`', settling],
  ])('ends after closeMs if %s is in flight and the server never closes', async (_, setUp) => {
    const { handle, server } = await ready({}, { timeouts: { closeMs: CLOSE_MS } })
    const { outcome } = await setUp(handle, server)
    const ending = call(handle).catch((error) => error)
    await server.request(Cmd.Disc)
    await pass(CLOSE_MS - 1)
    expect(await outcomeOf(ending)).toBe('pending')
    if (setUp === settling) expect(await outcomeOf(outcome as Promise<unknown>)).toBe('pending')
    await pass(1)
    expect(await ending).toBe(resultOf(name))
    expect(handle.state).toBe('closed')
    expect(await outcome).toBe(reason)
  })

  test('does not send what only given-up commands keep in the queue', async () => {
    const { handle, server } = await ready(
      {},
      { timeouts: { closeMs: CLOSE_MS }, limits: { inFlightCommands: 1 } },
    )
    await aborted(handle, server)
    const queued = rejection(handle.pread(1, 1))
    const ending = call(handle).catch((error) => error)
    await server.farewell()
    expect(await ending).toBe(resultOf(name))
    expect(await queued).toMatchObject({
      name: 'NbdClosedError',
      message: expect.stringContaining('the command was not sent'),
    })
    expect(handle.state).toBe('closed')
  })

  test('waits for the reply to a command', async () => {
    const { handle, server } = await ready({}, { timeouts: { closeMs: CLOSE_MS } })
    const { outcome, request } = await live(handle, server)
    const ending = call(handle).catch((error) => error)
    await pass(CLOSE_MS - 1)
    expect(await outcomeOf(outcome as Promise<unknown>)).toBe('pending')
    expect(await outcomeOf(ending)).toBe('pending')
    server.answer(request as Request, octets('2a'))
    expect(await outcome).toEqual(octets('2a'))
    await server.farewell()
    expect(await ending).toBe(resultOf(name))
    expect(handle.state).toBe('closed')
  })

  test('sends NBD_CMD_DISC although the connection still holds the data of an aborted write', async () => {
    const connection = new HandConnection()
    const handle = await readyOn(connection, { structuredReplies: false, size: 1e9 })
    connection.accepts = false
    const controller = new AbortController()
    const length = 3 * 1024 * 1024
    const writing = rejection(handle.pwrite(new Uint8Array(length), 0, { signal: controller.signal }))
    await settled()
    const from = connection.writes.length - 1
    controller.abort(reason)
    expect(await writing).toBe(reason)
    const ending = call(handle).catch((error) => error)
    const sent = joined(...connection.writes.slice(from))
    expect(sent.length).toBe(28 + length + 28)
    expect(sent.at(-28 + 7)).toBe(Cmd.Disc)
    expect(connection.calls.at(-1)).toBe('close')
    await pass(5000)
    expect(connection.calls.at(-1)).toBe('destroy')
    connection.receiver.closed()
    expect(await ending).toBe(resultOf(name))
    expect(handle.state).toBe('closed')
  })

  test('is not ended by closeMs while bytes arrive', async () => {
    const { handle, server } = await ready({}, { timeouts: { closeMs: CLOSE_MS } })
    const commands = Array.from({ length: 10 }, () => handle.flush())
    const requests: Request[] = []
    while (requests.length < 10) requests.push(await server.request(Cmd.Flush))
    const ending = call(handle).catch((error) => error)
    for (const [index, request] of requests.entries()) {
      await pass(CLOSE_MS * 0.7)
      server.answer(request)
      await commands[index]
    }
    await server.farewell()
    expect(await ending).toBe(resultOf(name))
    expect(handle.state).toBe('closed')
  })

  if (isDispose(name)) {
    test('destroys the handle after closeMs without a byte when a command is never answered', async () => {
      const { handle, server } = await ready({}, { timeouts: { closeMs: CLOSE_MS } })
      const { outcome } = await live(handle, server)
      const ending = call(handle).catch((error) => error)
      await pass(CLOSE_MS - 1)
      expect(await outcomeOf(ending)).toBe('pending')
      await pass(1)
      expect(await ending).toBe(resultOf(name))
      expect(await outcome).toBeInstanceOf(NbdTransportError)
      expect(handle.state).toBe('dead')
      expect(await rejection(handle.closed)).toMatchObject({
        errno: 'ETIMEDOUT',
        message:
          'in-process:: the handle was disposed, and received no byte for 1000 ms with 1 commands in flight (timeouts.closeMs)',
      })
      await server.disconnected()
    })
  } else {
    test('waits for a command that is never answered, as long as requestMs allows', async () => {
      const { handle, server } = await ready({}, { timeouts: { closeMs: CLOSE_MS, requestMs: 1e6 } })
      const { outcome } = await live(handle, server)
      const ending = call(handle).catch((error) => error)
      await pass(1e6 - 1)
      expect(await outcomeOf(ending)).toBe('pending')
      await pass(1e6)
      expect(await ending).toHaveProperty('cause.errno', 'ETIMEDOUT')
      expect(await outcome).toHaveProperty('cause.errno', 'ETIMEDOUT')
      expect(handle.state).toBe('dead')
    })

    test('waits without requestMs for a command that is never answered, until its signal aborts', async () => {
      const { handle, server } = await ready({}, { timeouts: { closeMs: CLOSE_MS } })
      const { outcome } = await live(handle, server)
      const ending = call(handle).catch((error) => error)
      await pass(1e9)
      expect(await outcomeOf(ending)).toBe('pending')
      const controller = new AbortController()
      const bounded = rejection(handle.shutdown({ signal: controller.signal }))
      controller.abort(reason)
      expect(await Promise.all([bounded, ending, outcome])).toEqual([reason, reason, reason])
    })
  }
})

test('B1: dispose without closeMs waits without a limit', async () => {
  const { handle, server } = await ready({}, { timeouts: { closeMs: 0 } })
  const { outcome } = await live(handle, server)
  const ending = using(handle)
  await pass(1e9)
  expect(await outcomeOf(ending)).toBe('pending')
  handle.destroy(reason)
  await ending
  expect(await outcome).toBe(reason)
})

test('B1: dispose resolves if the connection breaks meanwhile: the commands reject', async () => {
  const { handle, server } = await ready()
  const { outcome } = await live(handle, server)
  const ending = using(handle, thrown).catch((error) => error)
  server.reset()
  expect(await ending).toBe(thrown)
  expect(await outcome).toMatchObject({ name: 'NbdTransportError' })
})
