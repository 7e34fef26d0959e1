import { describe, expect, jest, test } from '@jest/globals'
import { Handle, type NbdTransportError, type Transport } from '@nbdjs/core'
import { Cmd, encodeSimpleReply, Opt } from '@nbdjs/core/wire'
import { octets, repeated } from '../bytes.js'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { ScriptedServer } from './scripted-server.js'
import { outcomeOf, rejection, settled } from './settle-promises.js'

watchLeaks()

/** Lets so much time pass, and all that comes of it happen. */
async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms)
  await settled()
}

const timeout = (message: string, operation = 'read', address = 'in-process:'): object => ({
  isConnectionLost: operation !== 'dial',
  name: 'NbdTransportError',
  code: 'ERR_NBD_TRANSPORT',
  errno: 'ETIMEDOUT',
  operation,
  address,
  message,
})

describe('dialMs', () => {
  const never = (aborted: unknown[] = []): Transport => ({
    address: 'never:',
    dial: ({ signal }) =>
      new Promise(() => {
        signal.addEventListener('abort', () => aborted.push(signal.reason))
      }),
  })

  test('ends a dial that takes longer, and aborts it', async () => {
    const aborted: unknown[] = []
    const handle = new Handle({ timeouts: { dialMs: 100 } })
    const connecting = handle.connect(never(aborted))
    await pass(99)
    expect(await outcomeOf(connecting)).toBe('pending')
    await pass(1)
    const error = (await rejection(connecting)) as NbdTransportError
    expect(error).toMatchObject(
      timeout('dial of never: failed: no connection within 100 ms (timeouts.dialMs)', 'dial', 'never:'),
    )
    expect(aborted).toEqual([error])
    expect(handle.state).toBe('dead')
    expect(await rejection(handle.closed)).toBe(error)
  })

  test('is 30 s by default', async () => {
    const connecting = new Handle().connect(never())
    await pass(29_999)
    expect(await outcomeOf(connecting)).toBe('pending')
    await pass(1)
    expect(await rejection(connecting)).toHaveProperty('errno', 'ETIMEDOUT')
  })

  test('0 means no limit', async () => {
    const handle = new Handle({ timeouts: { dialMs: 0 } })
    const connecting = handle.connect(never())
    await pass(1e9)
    expect(await outcomeOf(connecting)).toBe('pending')
    handle.destroy()
    await rejection(connecting)
  })

  test('does not include the time after the dial', async () => {
    const server = new ScriptedServer()
    const handle = new Handle({ timeouts: { dialMs: 100, handshakeMs: 0 } })
    const connecting = handle.connect(server.transport)
    await pass(1e9)
    await server.handshake()
    await connecting
    handle.destroy()
  })
})

describe('handshakeMs', () => {
  test.each([
    [
      'a greeting that never comes',
      'the greeting: expected 16 bytes, received 0: the server may be busy with another client, or may not speak NBD',
      async () => {},
    ],
    [
      'a greeting that breaks off',
      'the greeting: expected 16 bytes, received 4',
      async (server: ScriptedServer) => server.send(octets('4e 42 44 4d')),
    ],
    [
      'an option that is never answered',
      'the reply to NBD_OPT_STRUCTURED_REPLY: expected 20 bytes, received 0',
      async (server: ScriptedServer) => {
        await server.greet()
        await server.refuseExtendedHeaders()
        await server.option(Opt.StructuredReply)
      },
    ],
    [
      'the last option',
      'the reply to NBD_OPT_GO: expected 20 bytes, received 0',
      async (server: ScriptedServer) => {
        await server.open()
        await server.option(Opt.Go)
      },
    ],
  ])('C2: ends %s, and names what it awaited and what had come', async (_, awaited, play) => {
    const server = new ScriptedServer()
    const handle = new Handle({ timeouts: { handshakeMs: 100 } })
    const connecting = handle.connect(server.transport)
    await server.dialled()
    await play(server)
    await pass(99)
    expect(await outcomeOf(connecting)).toBe('pending')
    await pass(1)
    const error = await rejection(connecting)
    expect(error).toMatchObject(
      timeout(`in-process:: the handshake was not done within 100 ms (timeouts.handshakeMs), in ${awaited}`),
    )
    expect(handle.state).toBe('dead')
    expect(await rejection(handle.closed)).toBe(error)
    await server.disconnected()
  })

  test('a server that sends slowly does not get more time', async () => {
    const server = new ScriptedServer()
    const connecting = rejection(new Handle({ timeouts: { handshakeMs: 100 } }).connect(server.transport))
    await server.dialled()
    for (let ms = 0; ms < 100; ms += 10) {
      server.send(octets('4e'))
      await pass(10)
    }
    expect(await connecting).toHaveProperty('errno', 'ETIMEDOUT')
  })

  test('in opt mode it limits each option, not the time between them', async () => {
    const { handle, server } = await negotiating({}, { timeouts: { handshakeMs: 100 } })
    await pass(1e6)
    expect(handle.state).toBe('negotiating')
    const asking = handle.optInfo()
    await server.option(Opt.Info)
    await pass(99)
    server.grant(Opt.Info)
    await asking
    await pass(1e6)
    const listing = rejection(handle.optList())
    await server.option(Opt.List)
    await pass(100)
    expect(await listing).toMatchObject(
      timeout(
        'in-process:: optList was not done within 100 ms (timeouts.handshakeMs), in the reply to NBD_OPT_LIST: expected 20 bytes, received 0',
      ),
    )
    expect(handle.state).toBe('dead')
  })

  test('does not run after connect', async () => {
    const { handle } = await ready({}, { timeouts: { handshakeMs: 100 } })
    await pass(1e6)
    expect(handle.state).toBe('ready')
    handle.destroy()
  })
})

describe('requestMs', () => {
  const timeouts = { requestMs: 100 }

  test('ends a handle whose command is not answered, and rejects everything in flight', async () => {
    const { handle, server } = await ready({}, { timeouts })
    const pending = [handle.pread(4096, 512), handle.flush()].map(rejection)
    await server.request(Cmd.Read)
    await pass(200)
    const [error, other] = await Promise.all(pending)
    // B2: ENOTCONN as for every lost connection, and the timeout is the cause.
    expect(error).toMatchObject({
      ...timeout('in-process:: pread of 4096 bytes at 512 made no progress for 100 ms (timeouts.requestMs)'),
      ...{ errno: 'ENOTCONN', cause: expect.objectContaining({ errno: 'ETIMEDOUT' }) },
    })
    expect(other).toBe(error)
    expect(handle.state).toBe('dead')
    expect(await rejection(handle.closed)).toBe(error)
    await server.disconnected()
  })

  test('an answer in time keeps it alive', async () => {
    const { handle, server } = await ready({}, { timeouts })
    for (let round = 0; round < 10; round++) {
      const flushing = handle.flush()
      const request = await server.request(Cmd.Flush)
      await pass(90)
      server.answer(request)
      await flushing
    }
    expect(handle.state).toBe('ready')
    handle.destroy()
  })

  test('a reply that arrives slowly keeps it alive', async () => {
    const { handle, server } = await ready({}, { timeouts })
    const reading = handle.pread(20, 0)
    server.send(encodeSimpleReply(await server.request(Cmd.Read), 0))
    for (let count = 0; count < 20; count++) {
      await pass(90)
      server.send(repeated(7, 1))
    }
    expect(await reading).toEqual(repeated(7, 20))
    handle.destroy()
  })

  test('an idle connection has no timer', async () => {
    const { handle, server } = await ready({}, { timeouts })
    await pass(1e6)
    const flushing = handle.flush()
    server.answer(await server.request(Cmd.Flush))
    await flushing
    await pass(1e6)
    expect(handle.state).toBe('ready')
    expect(jest.getTimerCount()).toBe(0)
    handle.destroy()
  })

  test('is off by default', async () => {
    const { handle, server } = await ready()
    const flushing = handle.flush()
    const request = await server.request(Cmd.Flush)
    await pass(1e9)
    server.answer(request)
    await flushing
    handle.destroy()
  })

  test('shutdown that waits for a stalled command ends with it', async () => {
    const { handle, server } = await ready({}, { timeouts })
    const pending = [handle.flush(), handle.shutdown()].map(rejection)
    await server.request(Cmd.Flush)
    await pass(200)
    const [error, other] = await Promise.all(pending)
    expect(error).toMatchObject({ errno: 'ENOTCONN', cause: expect.objectContaining({ errno: 'ETIMEDOUT' }) })
    expect(other).toBe(error)
  })
})

describe('G2: requestMs counts received bytes only', () => {
  test('a server that accepts request after request and answers none is dead', async () => {
    const { handle, server } = await ready({}, { timeouts: { requestMs: 500 } })
    const reads: Promise<unknown>[] = []
    for (let count = 0; count < 5; count++) {
      reads.push(rejection(handle.pread(1, 0)))
      await server.request(Cmd.Read)
      await pass(100)
    }
    expect(handle.state).toBe('dead')
    const message = expect.stringContaining('pread of 1 bytes at 0 made no progress for 500 ms')
    for (const error of await Promise.all(reads)) expect(error).toMatchObject({ message })
  })

  test('the silence before a command does not count', async () => {
    const { handle, server } = await ready({}, { timeouts: { requestMs: 100 } })
    const controller = new AbortController()
    const aborted = rejection(handle.flush({ signal: controller.signal }))
    await pass(75)
    // It was sent, and is answered: from then on the connection is idle.
    controller.abort('enough')
    await aborted
    server.answer(await server.request(Cmd.Flush))
    await pass(1000)
    const flushing = handle.flush()
    const request = await server.request(Cmd.Flush)
    await pass(99)
    server.answer(request)
    await flushing
    handle.destroy()
  })
})

describe('B4: commandMs', () => {
  const timeouts = { commandMs: 100 }
  const message = 'in-process:: pread of 1 bytes at 0 was not answered within 100 ms (timeouts.commandMs)'

  test('notices one lost reply under traffic, rejects it with ETIMEDOUT, and ends the connection', async () => {
    const { handle, server } = await ready({}, { timeouts })
    const lost = rejection(handle.pread(1, 0))
    await server.request(Cmd.Read)
    const flushes: Promise<unknown>[] = []
    while (handle.state === 'ready') {
      flushes.push(handle.flush().catch((error) => error))
      const request = await server.request(Cmd.Flush)
      await pass(10)
      if (handle.state === 'ready') server.answer(request)
      await settled()
    }
    expect(flushes.length).toBeLessThanOrEqual(13)
    expect(await lost).toMatchObject({ errno: 'ETIMEDOUT', isConnectionLost: true, message })
    expect(await flushes.at(-1)).toMatchObject({
      errno: 'ENOTCONN',
      isConnectionLost: true,
      message,
      cause: { errno: 'ETIMEDOUT' },
    })
    expect(await rejection(handle.closed)).toHaveProperty('errno', 'ENOTCONN')
    expect(handle).toMatchObject({ state: 'dead', inFlight: 0 })
    await server.disconnected()
  })

  test('an answer in time keeps it alive, and an idle connection has no timer', async () => {
    const { handle, server } = await ready({}, { timeouts })
    for (let round = 0; round < 10; round++) {
      const flushing = handle.flush()
      const request = await server.request(Cmd.Flush)
      await pass(99)
      server.answer(request)
      await flushing
    }
    await pass(1e6)
    expect(handle.state).toBe('ready')
    expect(jest.getTimerCount()).toBe(0)
    handle.destroy()
  })

  test('waiting to be sent does not count', async () => {
    const { handle, server } = await ready({}, { timeouts, limits: { inFlightCommands: 1 } })
    const flushes = [handle.flush(), handle.flush(), handle.flush()]
    for (const flushing of flushes) {
      const request = await server.request(Cmd.Flush)
      await pass(90)
      server.answer(request)
      await flushing
    }
    handle.destroy()
  })

  test('also holds for a command that was aborted: its reply is still owed', async () => {
    const { handle, server } = await ready({}, { timeouts })
    const reading = handle.pread(1, 0, { signal: AbortSignal.timeout(0) })
    reading.catch(() => {})
    await server.request(Cmd.Read)
    await pass(125)
    expect(await rejection(handle.closed)).toMatchObject({ errno: 'ENOTCONN', message })
  })

  test('a timeoutMs of the command takes its place, and 0 is none', async () => {
    const { handle, server } = await ready({}, { timeouts })
    const [slow, endless] = [handle.pread(1, 0, { timeoutMs: 500 }), handle.flush({ timeoutMs: 0 })]
    const requests = [await server.request(Cmd.Read), await server.request(Cmd.Flush)] as const
    await pass(499)
    server.answer(requests[0], octets('2a'))
    expect(await slow).toEqual(octets('2a'))
    await pass(1e6)
    server.answer(requests[1])
    await endless
    handle.destroy()
  })

  test('one timer serves all commands', async () => {
    const { handle, server } = await ready({}, { timeouts })
    const flushes = Array.from({ length: 100 }, () => handle.flush())
    await server.request(Cmd.Flush)
    expect(jest.getTimerCount()).toBe(1)
    handle.destroy()
    await Promise.allSettled(flushes)
  })
})

describe('B4: timeoutMs of a command', () => {
  test('rejects it with ETIMEDOUT, and the connection continues', async () => {
    const { handle, server } = await ready()
    const [late, other] = [handle.pread(1, 0, { timeoutMs: 100 }), handle.pread(1, 1)]
    const failed = rejection(late)
    const requests = [await server.request(Cmd.Read), await server.request(Cmd.Read)] as const
    await pass(99)
    expect(await outcomeOf(failed)).toBe('pending')
    await pass(1)
    expect(await failed).toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      errno: 'ETIMEDOUT',
      isConnectionLost: false,
      message: 'in-process:: pread of 1 bytes at 0 was not answered within 100 ms (timeoutMs)',
    })
    expect(handle).toMatchObject({ state: 'ready', inFlight: 2 })
    server.answer(requests[0], octets('01'))
    server.answer(requests[1], octets('02'))
    expect(await other).toEqual(octets('02'))
    expect(handle.inFlight).toBe(0)
    expect(jest.getTimerCount()).toBe(0)
    handle.destroy()
  })

  test('B1: counts from the call: a command that waits for a place in flight rejects too', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const first = rejection(handle.pread(1, 0, { timeoutMs: 20 }))
    await server.request(Cmd.Read)
    await pass(20)
    expect(await first).toHaveProperty('errno', 'ETIMEDOUT')
    const second = rejection(handle.pread(1, 1, { timeoutMs: 50 }))
    await pass(49)
    expect(await outcomeOf(second)).toBe('pending')
    await pass(1)
    expect(await second).toMatchObject({
      errno: 'ETIMEDOUT',
      message: 'in-process:: pread of 1 bytes at 1 was not sent within 50 ms (timeoutMs)',
    })
    expect(handle).toMatchObject({ state: 'ready', inFlight: 1 })
    handle.destroy()
  })

  test('with `settle` it rejects once the late reply has arrived', async () => {
    const { handle, server } = await ready()
    const failed = rejection(handle.flush({ timeoutMs: 100, abort: 'settle' }))
    const request = await server.request(Cmd.Flush)
    await pass(1000)
    expect(await outcomeOf(failed)).toBe('pending')
    server.answer(request)
    expect(await failed).toHaveProperty('errno', 'ETIMEDOUT')
    expect(handle).toMatchObject({ state: 'ready', inFlight: 0 })
    handle.destroy()
  })

  test('a command that is settled, aborted or lost leaves no timer', async () => {
    const { handle, server } = await ready()
    const controller = new AbortController()
    const commands = [
      handle.flush({ timeoutMs: 100 }),
      handle.flush({ timeoutMs: 100, signal: controller.signal }),
      handle.flush({ timeoutMs: 100 }),
    ]
    const outcomes = Promise.allSettled(commands)
    server.answer(await server.request(Cmd.Flush))
    await commands[0]
    controller.abort('enough')
    await settled()
    expect(jest.getTimerCount()).toBe(1)
    handle.destroy()
    expect(jest.getTimerCount()).toBe(0)
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
  })
})

describe('closeMs', () => {
  test('a server that does not close after NBD_CMD_DISC is disconnected, and the handle is closed', async () => {
    const { handle, server } = await ready({}, { timeouts: { closeMs: 100 } })
    const leaving = handle.shutdown()
    await server.request(Cmd.Disc)
    await server.clientLeft()
    await pass(99)
    expect(await outcomeOf(leaving)).toBe('pending')
    expect(handle.state).toBe('ready')
    await pass(1)
    await leaving
    expect(handle.state).toBe('closed')
    await server.disconnected()
  })

  test('nor after NBD_OPT_ABORT', async () => {
    const { handle, server } = await negotiating({}, { timeouts: { closeMs: 100 } })
    const leaving = handle.optAbort()
    await server.option(Opt.Abort)
    await pass(100)
    await leaving
    expect(handle.state).toBe('closed')
  })

  test('nor after a rejected handshake: the error is reported at once, and the connection is dropped later', async () => {
    const server = new ScriptedServer()
    const handle = new Handle({ timeouts: { closeMs: 100 } })
    const connecting = rejection(handle.connect(server.transport))
    await server.open()
    await server.option(Opt.Go)
    server.reply(Opt.Go, 0x8000_0006)
    expect(await connecting).toHaveProperty('code', 'ERR_NBD_NEGOTIATION')
    await server.option(Opt.Abort)
    await server.clientLeft()
    expect(server.end).toBeUndefined()
    await pass(100)
    expect(server.end).toBeDefined()
  })

  test('does not begin while a command waits for its reply', async () => {
    const { handle, server } = await ready({}, { timeouts: { closeMs: 100 } })
    const flushing = handle.flush()
    const leaving = handle.shutdown()
    const request = await server.request(Cmd.Flush)
    await pass(1e6)
    server.answer(request)
    await Promise.all([flushing, leaving, server.farewell()])
    expect(handle.state).toBe('closed')
  })

  test('leaves no timer if the server closes', async () => {
    const { handle, server } = await ready()
    await Promise.all([handle.shutdown(), server.farewell()])
    expect(jest.getTimerCount()).toBe(0)
  })

  test('0: it waits without a limit', async () => {
    const { handle, server } = await ready({}, { timeouts: { closeMs: 0 } })
    const leaving = handle.shutdown()
    await server.request(Cmd.Disc)
    await pass(1e9)
    expect(await outcomeOf(leaving)).toBe('pending')
    await server.hangUp()
    await leaving
  })
})
