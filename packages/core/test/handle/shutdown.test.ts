import { describe, expect, test } from '@jest/globals'
import { Handle } from '@nbdjs/core'
import { Cmd, encodeSimpleReply, Opt } from '@nbdjs/core/wire'
import { octets, repeated } from '../bytes.js'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { ScriptedServer } from './scripted-server.js'
import { outcomeOf, rejection, settled } from './settle-promises.js'

watchLeaks()

describe('in ready', () => {
  // spec: client/disc/zero-range, client/disc/nothing-after
  // libnbd: nbd_shutdown, nbd_aio_disconnect
  test('sends NBD_CMD_DISC, closes, and resolves when the server has closed', async () => {
    const { handle, server } = await ready()
    const leaving = handle.shutdown()
    await server.request(Cmd.Disc, { flags: 0, offset: 0, length: 0 })
    await server.clientLeft()
    expect(await outcomeOf(leaving)).toBe('pending')
    await server.hangUp()
    await leaving
    expect(handle.state).toBe('closed')
    expect(await handle.closed).toBeUndefined()
  })

  // spec: client/disconnect/no-other-way
  test('waits for all replies, and rejects new commands meanwhile', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const reading = handle.pread(1, 0)
    const writing = handle.pwrite(octets('2a'), 0)
    const leaving = handle.shutdown()
    const refused = rejection(handle.flush())
    const read = await server.request(Cmd.Read)
    expect(await refused).toMatchObject({
      code: 'ERR_NBD_STATE',
      errno: 'EINVAL',
      message: 'flush: invalid state ready: the connection is being shut down',
    })
    server.answer(read, octets('07'))
    expect(await reading).toEqual(octets('07'))
    const write = await server.request(Cmd.Write)
    const { bytesFromClient } = server
    expect(await outcomeOf(leaving)).toBe('pending')
    expect(server.bytesFromClient).toBe(bytesFromClient)
    server.answer(write)
    await Promise.all([writing, leaving, server.farewell()])
    expect(handle.state).toBe('closed')
  })

  test('abandonPending: commands in flight are awaited, queued ones fail', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const sent = handle.flush()
    const dropped = [handle.pread(1, 0), handle.trim(1, 0)].map(rejection)
    const flush = await server.request(Cmd.Flush)
    const leaving = handle.shutdown({ abandonPending: true })
    for (const error of await Promise.all(dropped)) {
      expect(error).toMatchObject({
        code: 'ERR_NBD_CLOSED',
        errno: 'ENOTCONN',
        message: 'the connection is being shut down: the command was not sent',
      })
    }
    expect(await outcomeOf(leaving)).toBe('pending')
    server.answer(flush)
    await Promise.all([sent, leaving, server.farewell()])
  })

  test('abandonPending in the turn of the calls: none of them is sent', async () => {
    const { handle, server } = await ready()
    const dropped = rejection(handle.flush())
    const leaving = handle.shutdown({ abandonPending: true })
    await server.farewell()
    await leaving
    expect(await dropped).toHaveProperty('code', 'ERR_NBD_CLOSED')
  })

  test('two at once resolve together, with one NBD_CMD_DISC', async () => {
    const { handle, server } = await ready()
    const leaving = [handle.shutdown(), handle.shutdown()]
    await server.farewell()
    await Promise.all(leaving)
    expect(handle.stats.chunksSent).toBe(4)
  })

  test('the second may still drop queued commands', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const sent = handle.flush()
    const dropped = rejection(handle.trim(1, 0))
    const flush = await server.request(Cmd.Flush)
    const first = handle.shutdown()
    const second = handle.shutdown({ abandonPending: true })
    expect(await dropped).toHaveProperty('code', 'ERR_NBD_CLOSED')
    server.answer(flush)
    await Promise.all([sent, first, second, server.farewell()])
  })

  test('after it, another one is rejected', async () => {
    const { handle, server } = await ready()
    await Promise.all([handle.shutdown(), server.farewell()])
    expect(await rejection(handle.shutdown())).toMatchObject({
      code: 'ERR_NBD_STATE',
      errno: 'EINVAL',
      message: 'shutdown: invalid state closed: it is legal in negotiating and ready and dead only',
    })
  })

  test('a broken connection after NBD_CMD_DISC counts as closed', async () => {
    const { handle, server } = await ready()
    const leaving = handle.shutdown()
    await server.request(Cmd.Disc)
    server.reset()
    await leaving
    expect(handle.state).toBe('closed')
    await handle.closed
  })

  test('a broken connection before it does not', async () => {
    const { handle, server } = await ready()
    const pending = [handle.flush(), handle.shutdown()].map(rejection)
    await server.request(Cmd.Flush)
    server.reset()
    const [flushed, left] = await Promise.all(pending)
    expect(flushed).toMatchObject({
      ...{ errno: 'ENOTCONN', isConnectionLost: true },
      cause: expect.objectContaining({ errno: 'ECONNRESET' }),
    })
    expect(left).toBe(flushed)
    expect(handle.state).toBe('dead')
  })

  test('B2: a server that closes while a command is in flight: both fail, and the connection is lost', async () => {
    const { handle, server } = await ready()
    const flushing = rejection(handle.flush())
    const leaving = rejection(handle.shutdown())
    await server.request(Cmd.Flush)
    server.endOfFile()
    expect(await flushing).toMatchObject({ errno: 'ENOTCONN', isConnectionLost: true })
    expect(await leaving).toBe(await flushing)
    expect(handle.state).toBe('dead')
    // There is nothing left to do.
    await handle.shutdown()
    await handle[Symbol.asyncDispose]()
  })

  test('a partial reply is read completely first', async () => {
    const { handle, server } = await ready()
    const reading = handle.pread(100_000, 0)
    server.send(encodeSimpleReply(await server.request(Cmd.Read), 0), repeated(7, 60_000))
    await settled()
    const leaving = handle.shutdown()
    server.send(repeated(7, 40_000))
    expect(Buffer.compare(await reading, repeated(7, 100_000))).toBe(0)
    await Promise.all([leaving, server.farewell()])
  })

  test('the data of a write is flushed before NBD_CMD_DISC', async () => {
    const { handle, server } = await ready({ size: 2n ** 32n })
    // More than one write to the connection takes.
    const data = repeated(7, 3 * 1024 * 1024)
    const writing = handle.pwrite(data, 0)
    const leaving = handle.shutdown()
    const write = await server.request(Cmd.Write)
    expect(Buffer.compare(write.data, data)).toBe(0)
    server.answer(write)
    await Promise.all([writing, leaving, server.farewell()])
  })
})

describe('in negotiating', () => {
  // spec: client/haggling/abort-then-close, client/haggling/leave-by-abort
  test.each<[string, (handle: Handle) => Promise<void>]>([
    ['shutdown', (handle) => handle.shutdown()],
    ['shutdown with abandonPending', (handle) => handle.shutdown({ abandonPending: true })],
    // libnbd: nbd_opt_abort, nbd_aio_opt_abort
    ['optAbort', (handle) => handle.optAbort()],
    ['asyncDispose', (handle) => handle[Symbol.asyncDispose]()],
  ])('%s sends NBD_OPT_ABORT and does not wait for the reply', async (_, call) => {
    const { handle, server } = await negotiating()
    const leaving = call(handle)
    expect(await server.option(Opt.Abort)).toEqual(octets())
    await server.clientLeft()
    await server.hangUp()
    await leaving
    expect(handle.state).toBe('closed')
    await handle.closed
  })

  test('several calls at once: all resolve, with one message', async () => {
    const { handle, server } = await negotiating()
    const leaving = [handle.optAbort(), handle.shutdown(), handle[Symbol.asyncDispose]()]
    await server.option(Opt.Abort)
    await server.clientLeft()
    await server.hangUp()
    await Promise.all(leaving)
  })

  test('plain newstyle has no NBD_OPT_ABORT: it only closes', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const connecting = handle.negotiate(server.transport)
    await server.greet(0)
    await connecting
    expect(handle.session.protocol).toBe('newstyle')
    const leaving = handle.shutdown()
    await server.clientLeft()
    await server.hangUp()
    await leaving
    expect(handle.state).toBe('closed')
  })

  test('a broken connection after NBD_OPT_ABORT counts as closed', async () => {
    const { handle, server } = await negotiating()
    const leaving = handle.shutdown()
    await server.option(Opt.Abort)
    server.reset()
    await leaving
    expect(handle.state).toBe('closed')
  })

  test('info remains known', async () => {
    const { handle, server } = await negotiating()
    const asking = handle.optInfo()
    await server.option(Opt.Info)
    server.grant(Opt.Info)
    const info = await asking
    const leaving = handle.shutdown()
    await server.option(Opt.Abort)
    await server.hangUp()
    await leaving
    expect(handle.info).toBe(info)
    expect(handle.session.protocol).toBe('newstyle-fixed')
  })
})

describe('await using', () => {
  // libnbd: nbd_close
  test('shuts down at the end of the block', async () => {
    const server = new ScriptedServer()
    const serving = (async (): Promise<void> => {
      await server.handshake()
      server.answer(await server.request(Cmd.Read), octets('2a'))
      await server.farewell()
    })()
    let kept: Handle
    {
      await using nbd = new Handle()
      await nbd.connect(server.transport)
      expect(await nbd.pread(1, 0)).toEqual(octets('2a'))
      kept = nbd
    }
    await serving
    expect(kept.state).toBe('closed')
  })

  test('an error in the block is rethrown after the shutdown', async () => {
    const { handle, server } = await ready()
    const failing = async (): Promise<void> => {
      await using nbd = handle
      await nbd.pread(1, -1)
    }
    const failed = rejection(failing())
    await server.farewell()
    expect(await failed).toHaveProperty('code', 'ERR_NBD_USAGE')
    expect(handle.state).toBe('closed')
  })

  test('a dead handle is disposed without an error', async () => {
    const { handle, server } = await ready()
    server.reset()
    await rejection(handle.closed)
    await handle[Symbol.asyncDispose]()
    expect(handle.state).toBe('dead')
  })

  test('while it connects: connect rejects, nothing is left open', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const connecting = rejection(handle.connect(server.transport))
    await server.dialled()
    await handle[Symbol.asyncDispose]()
    expect(await connecting).toMatchObject({ code: 'ERR_NBD_CLOSED', message: 'the handle was destroyed' })
    await server.disconnected()
  })
})
