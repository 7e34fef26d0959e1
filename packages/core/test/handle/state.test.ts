import { describe, expect, test } from '@jest/globals'
import { Handle, type HandleState, NbdStateError, type Transport } from '@nbdjs/core'
import { Cmd, encodeListEntry, Opt, Rep } from '@nbdjs/core/wire'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { EVERYTHING, ScriptedServer } from './scripted-server.js'
import { rejection, settled } from './settle-promises.js'
import { calls, cells, legality, synchronous } from './state-table.js'

watchLeaks()

interface Stage {
  readonly handle: Handle
  readonly server: ScriptedServer
}

const neverDialled: Transport = { address: 'never:', dial: () => new Promise(() => {}) }
const refused: Transport = { address: 'none:', dial: () => Promise.reject(new Error('nobody listens')) }

/** Every way into every state. */
const stages: Readonly<Record<HandleState, Readonly<Record<string, () => Promise<Stage>>>>> = {
  created: {
    'just made': async () => ({ handle: new Handle(), server: new ScriptedServer() }),
  },
  connecting: {
    'while it dials': async () => {
      const stage = { handle: new Handle(), server: new ScriptedServer() }
      stage.handle.connect(neverDialled).catch(() => {})
      return stage
    },
    'before the greeting': async () => {
      const stage = { handle: new Handle(), server: new ScriptedServer() }
      stage.handle.connect(stage.server.transport).catch(() => {})
      await settled()
      return stage
    },
    'while an option is answered': async () => {
      const stage = await negotiating()
      stage.handle.optList().catch(() => {})
      await stage.server.option(Opt.List)
      return stage
    },
  },
  negotiating: {
    'in opt mode': () => negotiating({ structuredReplies: true }),
    'after a refusal': async () => {
      const { handle, server } = await negotiating({ structuredReplies: true })
      const going = rejection(handle.optGo())
      await server.option(Opt.Go)
      server.reply(Opt.Go, Rep.ErrUnknown)
      await going
      return { handle, server }
    },
  },
  ready: {
    connected: () => ready(),
    'after optGo': async () => {
      const { handle, server } = await negotiating()
      const going = handle.optGo()
      await server.option(Opt.Go)
      server.grant(Opt.Go)
      await going
      return { handle, server }
    },
  },
  closed: {
    'after shutdown': async () => {
      const { handle, server } = await ready()
      await Promise.all([handle.shutdown(), server.farewell()])
      return { handle, server }
    },
  },
  dead: {
    'after a failed dial': async () => {
      const stage = { handle: new Handle(), server: new ScriptedServer() }
      await rejection(stage.handle.connect(refused))
      return stage
    },
    'destroyed before it was connected': async () => {
      const stage = { handle: new Handle(), server: new ScriptedServer() }
      stage.handle.destroy()
      return stage
    },
    'after the connection broke': async () => {
      const { handle, server } = await ready()
      server.reset()
      await rejection(handle.closed)
      return { handle, server }
    },
    'after the server closed': async () => {
      const { handle, server } = await ready()
      await server.hangUp()
      await rejection(handle.closed)
      return { handle, server }
    },
  },
}

/** The ways into `dead` that are a lost connection, and the calls that would use the connection. */
const lossesOfConnection = ['after the connection broke', 'after the server closed']
const usesConnection = (call: string): boolean => ['ready', 'negotiating'].includes(legality[call] ?? '')

const cases = cells().flatMap(({ call, state, next }) =>
  Object.entries(stages[state]).map(([how, stage]) => ({ call, state, how, next, stage })),
)

/** A server that accepts everything. */
async function serve(server: ScriptedServer, state: HandleState, call: string): Promise<void> {
  if (call === 'negotiate') return await server.open()
  if (state === 'created') await server.handshake()
  if (state !== 'negotiating') return await serveRequests(server)
  for (;;) {
    const { option } = await server.nextOption()
    if (option === Opt.Abort) return await server.hangUp()
    if (option === Opt.Go || option === Opt.Info) {
      server.grant(option)
    } else {
      if (option === Opt.List)
        server.reply(option, Rep.Server, encodeListEntry({ name: '', description: '' }))
      server.reply(option, Rep.Ack)
    }
    if (option === Opt.Go) return
  }
}

async function serveRequests(server: ScriptedServer): Promise<void> {
  for (;;) {
    const request = await server.nextRequest()
    if (request.type === Cmd.Disc) return await server.hangUp()
    server.answer(request, new Uint8Array(request.type === Cmd.Read ? request.length : 0))
  }
}

test('the table names every public member of a handle', () => {
  const members = Object.getOwnPropertyNames(Handle.prototype).filter((name) => name !== 'constructor')
  const listed = Object.keys(calls).filter((name) => name !== 'asyncDispose' && name !== 'name')
  expect(listed.sort()).toEqual(members.sort())
  expect(cells()).toHaveLength(6 * Object.keys(calls).length)
})

describe('a legal call', () => {
  const legal = cases.filter(({ next }) => next !== undefined)

  // libnbd: nbd_connection_state
  test.each(legal)('$call in $state ($how): then $next', async ({ call, state, next, stage }) => {
    const { handle, server } = await stage()
    // It ends when the handle does, by finding the client gone.
    serve(server, state, call).catch(() => {})
    const returned = calls[call]?.(handle, server)
    expect(returned instanceof Promise).toBe(!synchronous.has(call))
    await returned
    expect(handle.state).toBe(next)
    handle.destroy()
    await settled()
  })
})

describe('an illegal call', () => {
  const illegal = cases.filter(({ next }) => next === undefined)

  // spec: client/haggling/one-option-at-a-time, client/go/nothing-after
  test.each(illegal)('$call in $state ($how) is rejected', async ({ call, state, how, stage }) => {
    const { handle, server } = await stage()
    const { bytesFromClient } = server
    const { stats, inFlight } = handle
    const events: unknown[] = []
    for (const event of ['state', 'close', 'dead'] as const) {
      handle.on(event, (...args: unknown[]) => events.push([event, ...args]))
    }

    const error = await refusal(() => calls[call]?.(handle, server), synchronous.has(call))
    if (lossesOfConnection.includes(how) && usesConnection(call)) {
      // B2: it is no mistake of the caller.
      const cause = (await rejection(handle.closed)) as Error
      expect(error).toMatchObject({
        ...{ code: 'ERR_NBD_CLOSED', errno: 'ENOTCONN', isConnectionLost: true, cause },
        message: `${call}: the connection is lost: ${cause.message}`,
      })
    } else {
      const isUnknown = call === 'info' && state === 'negotiating'
      const unknown = 'export "" is not known yet: optInfo() and optGo() ask for its size and flags'
      // F8: the error of info.size names the unknown export.
      const hint =
        call === 'info' && state !== 'dead'
          ? ': the export is not known before connect(), optInfo() or optGo() succeeds'
          : ''
      const why = isUnknown ? unknown : `it is legal in ${legality[call]} only${hint}`
      expect(error).toBeInstanceOf(NbdStateError)
      expect(error).toMatchObject({
        code: 'ERR_NBD_STATE',
        errno: state === 'created' ? 'ENOTCONN' : 'EINVAL',
        isConnectionLost: false,
        message: `${call}: invalid state ${state}: ${why}`,
      })
    }

    await settled()
    expect(handle.state).toBe(state)
    expect(server.bytesFromClient).toBe(bytesFromClient)
    expect({ stats: handle.stats, inFlight: handle.inFlight }).toEqual({ stats, inFlight })
    expect(events).toEqual([])
    handle.destroy()
    await settled()
  })

  /** What is thrown, or rejected with: never the one for the other. */
  async function refusal(call: () => unknown, isSynchronous: boolean): Promise<unknown> {
    let returned: unknown
    try {
      returned = call()
    } catch (error) {
      if (isSynchronous) return error
      throw new Error('an asynchronous call threw instead of rejecting', { cause: error })
    }
    if (isSynchronous) throw new Error(`it returned ${String(returned)}`)
    return await rejection(returned as Promise<unknown>)
  }
})

test("the row of connect matches libnbd's manual", () => {
  const row = cells().filter(({ call }) => call === 'connect')
  expect(row.map(({ state, next }) => [state, next === undefined ? 'error' : 'allowed'])).toEqual([
    ['created', 'allowed'],
    ['connecting', 'error'],
    ['negotiating', 'error'],
    ['ready', 'error'],
    ['closed', 'error'],
    ['dead', 'error'],
  ])
})

test('every rejection of a dead handle names the cause', async () => {
  const { handle, server } = await ready()
  server.reset()
  const reason = await rejection(handle.closed)
  expect(await rejection(handle.pread(1, 0))).toHaveProperty('cause', reason)
  expect(() => handle.session).toThrow(expect.objectContaining({ cause: reason }))
  const refusedEarly = new Handle()
  const early = await rejection(refusedEarly.connect(refused))
  expect(await rejection(refusedEarly.connect(refused))).toHaveProperty('cause', early)
})

describe('during the shutdown', () => {
  const taken = [
    'shutdown',
    'asyncDispose',
    'session',
    'name',
    'state',
    'settings',
    'stats',
    'inFlight',
    'uri',
  ]
  const inReady = cells().filter(({ call, state }) => state === 'ready' && !taken.includes(call))
  const inNegotiating = cells().filter(({ call, state }) => state === 'negotiating' && !taken.includes(call))

  test.each(
    inReady.filter(
      ({ call, next }) => next !== undefined && !['destroy', 'info', 'canMetaContext'].includes(call),
    ),
  )('$call is rejected in ready', async ({ call }) => {
    const { handle, server } = await ready()
    const flushing = handle.flush()
    const flush = await server.request(Cmd.Flush)
    const leaving = handle.shutdown()
    expect(handle.state).toBe('ready')
    expect(await rejection(calls[call]?.(handle, server) as Promise<unknown>)).toMatchObject({
      code: 'ERR_NBD_STATE',
      errno: 'EINVAL',
      message: `${call}: invalid state ready: the connection is being shut down`,
    })
    expect(handle.info.size).toBe(1048576n)
    server.answer(flush)
    await Promise.all([flushing, leaving, server.farewell()])
  })

  test.each(
    inNegotiating.filter(
      ({ call, next }) => next !== undefined && !['destroy', 'canMetaContext'].includes(call),
    ),
  )('$call is rejected in negotiating', async ({ call }) => {
    const { handle, server } = await negotiating({ flags: EVERYTHING })
    const leaving = handle.shutdown()
    expect(handle.state).toBe('negotiating')
    const attempt = async (): Promise<unknown> => await calls[call]?.(handle, server)
    expect(await rejection(attempt())).toMatchObject({
      code: 'ERR_NBD_STATE',
      errno: 'EINVAL',
      message: `${call}: invalid state negotiating: the connection is being shut down`,
    })
    await server.option(Opt.Abort)
    await server.hangUp()
    await leaving
    expect(handle.state).toBe('closed')
  })
})
