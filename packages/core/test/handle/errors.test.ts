import { describe, expect, test } from '@jest/globals'
import {
  type Connection,
  Handle,
  NbdNegotiationError,
  NbdProtocolError,
  NbdServerError,
  NbdTransportError,
  NbdUsageError,
  type Transport,
} from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import {
  Cmd,
  type Cookie,
  ErrorValue,
  encodeErrorChunk,
  encodeGreeting,
  encodeInfoBlockSize,
  encodeOffsetData,
  encodeSimpleReply,
  Opt,
  Rep,
  ReplyFlag,
} from '@nbdjs/core/wire'
import { octets, repeated } from '../bytes.js'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { ScriptedServer } from './scripted-server.js'
import { rejection, settled } from './settle-promises.js'

watchLeaks()

const text = (message: string): Uint8Array => new TextEncoder().encode(message)

describe('a dial that fails', () => {
  const refusing = (cause: unknown): Transport => ({
    address: 'tcp://localhost:10809',
    dial: () => Promise.reject(cause),
  })

  test.each([
    [
      'a system error of the runtime',
      Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:10809'), { code: 'ECONNREFUSED' }),
      'connect ECONNREFUSED 127.0.0.1:10809',
      'ECONNREFUSED',
    ],
    [
      'an error with a code of another kind',
      Object.assign(new Error('no such host'), { code: 'ERR_DNS' }),
      'no such host',
      undefined,
    ],
    ['an error', new TypeError('not today'), 'not today', undefined],
    ['what is no error', 'not today', 'not today', undefined],
    ['nothing at all', undefined, 'undefined', undefined],
  ])('with %s of another transport is wrapped', async (_, cause, told, errno) => {
    const handle = new Handle()
    const error = await rejection(handle.connect(refusing(cause)))
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({
      name: 'NbdTransportError',
      code: 'ERR_NBD_TRANSPORT',
      message: `dial of tcp://localhost:10809 failed: ${told}`,
      operation: 'dial',
      address: 'tcp://localhost:10809',
      errno,
      cause,
    })
    expect(handle.state).toBe('dead')
    expect(await rejection(handle.closed)).toBe(error)
  })

  test('with an NbdTransportError is passed on unchanged', async () => {
    const cause = new NbdUsageError('no such port')
    expect(await rejection(new Handle().connect(refusing(cause)))).toBe(cause)
  })

  test('that throws instead of rejecting is wrapped too', async () => {
    const transport: Transport = {
      address: 'broken:',
      dial: () => {
        throw new Error('not today')
      },
    }
    expect(await rejection(new Handle().connect(transport))).toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      message: 'dial of broken: failed: not today',
    })
  })

  test('in process has the message of the other end', async () => {
    const transport = inProcess(() => {
      throw new Error('we are full')
    })
    expect(await rejection(new Handle().connect(transport))).toMatchObject({
      message: 'dial of in-process: failed: the other end refused: we are full',
      errno: 'ECONNREFUSED',
    })
  })

  test('a connection that cannot be started', async () => {
    let destroyed: unknown
    const connection: Connection = {
      write: () => true,
      close: async () => {},
      start: () => {
        throw new Error('it was started before')
      },
      destroy: (reason) => {
        destroyed = reason
      },
    }
    const handle = new Handle()
    const transport = { address: 'broken:', dial: async () => connection }
    const error = await rejection(handle.connect(transport))
    expect(error).toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      operation: 'dial',
      message: expect.stringContaining(
        'broken:: the transport breaks its contract: start() threw: it was started before',
      ),
      cause: expect.objectContaining({ message: 'it was started before' }),
    })
    expect(destroyed).toBe(error)
    expect(handle.state).toBe('dead')
  })
})

describe('the server rejects', () => {
  // spec: client/haggling/leave-by-abort
  test.each([
    [
      'with its text',
      Rep.ErrUnknown,
      text('no export "disk7" here'),
      'NBD_OPT_GO of export "disk7": server replied NBD_REP_ERR_UNKNOWN: "no export \\"disk7\\" here": the server has no such export, or could not open it: optList() lists its exports, its log may say more',
      { errno: 'ENOENT', reply: 'NBD_REP_ERR_UNKNOWN', serverMessage: 'no export "disk7" here' },
    ],
    [
      'without a word',
      Rep.ErrPolicy,
      undefined,
      'NBD_OPT_GO of export "disk7": server replied NBD_REP_ERR_POLICY',
      { errno: 'ENOTSUP', reply: 'NBD_REP_ERR_POLICY', serverMessage: undefined },
    ],
    [
      'and wants TLS',
      Rep.ErrTlsReqd,
      undefined,
      'NBD_OPT_GO of export "disk7": server replied NBD_REP_ERR_TLS_REQD: the server requires TLS',
      { errno: 'ENOTSUP', reply: 'NBD_REP_ERR_TLS_REQD' },
    ],
  ])('an export %s: connect rejects, the handle is dead', async (_, reply, data, message, details) => {
    const server = new ScriptedServer()
    const handle = new Handle({ exportName: 'disk7' })
    const connecting = rejection(handle.connect(server.transport))
    await server.open()
    await server.option(Opt.Go)
    server.reply(Opt.Go, reply, data)
    const error = await connecting
    expect(error).toBeInstanceOf(NbdNegotiationError)
    expect(error).toMatchObject({
      name: 'NbdNegotiationError',
      code: 'ERR_NBD_NEGOTIATION',
      option: 'NBD_OPT_GO',
      message,
      ...details,
    })
    expect(handle.state).toBe('dead')
    expect(await rejection(handle.closed)).toBe(error)
    // "Terminating the transmission phase": it sends NBD_CMD_DISC before it disconnects.
    await server.option(Opt.Abort)
    await server.hangUp()
  })

  test('an export in opt mode: the call rejects, the handle stays negotiating', async () => {
    const { handle, server } = await negotiating({}, { exportName: 'disk7' })
    const going = rejection(handle.optGo())
    await server.option(Opt.Go)
    server.reply(Opt.Go, Rep.ErrUnknown, text('no'))
    expect(await going).toMatchObject({ code: 'ERR_NBD_NEGOTIATION', errno: 'ENOENT', serverMessage: 'no' })
    expect(handle.state).toBe('negotiating')
    handle.setExportName('disk8')
    const again = handle.optGo()
    await server.option(Opt.Go)
    server.grant(Opt.Go)
    expect(await again).toMatchObject({ name: 'disk8' })
    handle.destroy()
  })

  test('by disconnecting after NBD_OPT_EXPORT_NAME, which has no other way', async () => {
    const server = new ScriptedServer()
    const handle = new Handle({ exportName: 'disk7' })
    const connecting = rejection(handle.connect(server.transport))
    await server.greet(0)
    await server.option(Opt.ExportName)
    server.endOfFile()
    const error = await connecting
    expect(error).toBeInstanceOf(NbdNegotiationError)
    expect(error).toMatchObject({
      code: 'ERR_NBD_NEGOTIATION',
      errno: 'ENOENT',
      option: 'NBD_OPT_EXPORT_NAME',
      message:
        'NBD_OPT_EXPORT_NAME of export "disk7": the server disconnected: the server has no such export, could not open it, or does not permit it',
      cause: expect.any(NbdTransportError),
    })
    expect(handle.state).toBe('dead')
    await server.disconnected()
  })
})

describe('C5: a request that is longer than the maximum of the server', () => {
  const maximum = 1024 * 1024
  const offer = {
    structuredReplies: true,
    size: 16 * maximum,
    infos: [encodeInfoBlockSize({ minimum: 1, preferred: 4096, maximum })],
  }
  const hint = "the request is longer than the server's maximum of 1048576 bytes (info.blockSize.maximum)"
  const errorChunk = (request: Cookie, value: number): Uint8Array =>
    encodeErrorChunk(request, ReplyFlag.Done, { value, message: 'too long' })

  test.each([
    [ErrorValue.EINVAL, 'EINVAL'],
    [ErrorValue.ENOMEM, 'ENOMEM'],
    [ErrorValue.EOVERFLOW, 'EOVERFLOW'],
    [90, 'error 90 (unknown to NBD, treated as EINVAL)'],
  ])('names that maximum if the server rejects it with error %d', async (value, name) => {
    const { handle, server } = await ready(offer)
    const reading = rejection(handle.pread(2 * maximum, 0))
    server.send(errorChunk(await server.request(Cmd.Read), value))
    expect(await reading).toMatchObject({
      hint,
      message: `pread of 2097152 bytes at 0: server replied ${name}: "too long": ${hint}`,
    })
    handle.destroy()
  })

  test('names that maximum for a write too', async () => {
    const { handle, server } = await ready(offer, { strict: { payload: false } })
    const writing = rejection(handle.pwrite(new Uint8Array(maximum + 1), 0))
    server.refuse(await server.request(Cmd.Write), ErrorValue.EINVAL)
    expect(await writing).toMatchObject({ hint })
    handle.destroy()
  })

  test.each([
    ['for another error', 2 * maximum, ErrorValue.EIO, offer],
    ['for a request of the maximum', maximum, ErrorValue.EINVAL, offer],
    ['where no maximum is known', 2 * maximum, ErrorValue.EINVAL, { ...offer, infos: [] }],
  ])('gives no hint %s', async (_, length, value, offered) => {
    const { handle, server } = await ready(offered)
    const reading = rejection(handle.pread(length, 0))
    server.send(errorChunk(await server.request(Cmd.Read), value))
    expect(await reading).toMatchObject({ code: 'ERR_NBD_SERVER', hint: undefined })
    handle.destroy()
  })
})

describe('the server fails a command', () => {
  test.each([
    [ErrorValue.EPERM, 'EPERM'],
    [ErrorValue.EIO, 'EIO'],
    [ErrorValue.ENOMEM, 'ENOMEM'],
    [ErrorValue.EINVAL, 'EINVAL'],
    [ErrorValue.ENOSPC, 'ENOSPC'],
    [ErrorValue.EOVERFLOW, 'EOVERFLOW'],
    [ErrorValue.ENOTSUP, 'ENOTSUP'],
    [4711, 'EINVAL'],
  ])('C3: with %d: %s', async (value, errno) => {
    const { handle, server } = await ready()
    const reading = rejection(handle.pread(4096, 65_536))
    server.refuse(await server.request(Cmd.Read), value)
    const error = await reading
    expect(error).toBeInstanceOf(NbdServerError)
    expect(error).toMatchObject({
      name: 'NbdServerError',
      code: 'ERR_NBD_SERVER',
      errno,
      command: 'pread',
      offset: 65_536n,
      length: 4096n,
      errorOffset: undefined,
      serverMessage: undefined,
      serverErrno: value,
      isConnectionLost: false,
      message: `pread of 4096 bytes at 65536: server replied ${value === 4711 ? 'error 4711 (unknown to NBD, treated as EINVAL)' : errno}`,
    })
    expect(handle.state).toBe('ready')
    handle.destroy()
  })

  // libnbd: nbd_get_error, nbd_get_errno
  test('with its message and offset', async () => {
    const { handle, server } = await ready({ structuredReplies: true })
    const reading = rejection(handle.pread(4096, 65_536))
    const request = await server.request(Cmd.Read)
    const told = { value: ErrorValue.EIO, message: 'bad sector', offset: 66_048 }
    server.send(encodeErrorChunk(request, ReplyFlag.Done, told))
    expect(await reading).toMatchObject({
      errno: 'EIO',
      errorOffset: 66_048n,
      serverMessage: 'bad sector',
      message: 'pread of 4096 bytes at 65536: server replied EIO at offset 66048: "bad sector"',
    })
    handle.destroy()
  })

  test.each<[string, (handle: Handle) => Promise<unknown>, string]>([
    ['preadInto', (handle) => handle.preadInto(new Uint8Array(8), 8), 'preadInto of 8 bytes at 8'],
    ['pwrite', (handle) => handle.pwrite(new Uint8Array(8), 8), 'pwrite of 8 bytes at 8'],
    ['zero', (handle) => handle.zero(8, 8), 'zero of 8 bytes at 8'],
    ['trim', (handle) => handle.trim(8, 8), 'trim of 8 bytes at 8'],
    ['cache', (handle) => handle.cache(8, 8), 'cache of 8 bytes at 8'],
    ['flush', (handle) => handle.flush(), 'flush'],
  ])('%s is named in the message', async (command, call, what) => {
    const { handle, server } = await ready()
    const calling = rejection(call(handle))
    server.refuse(await server.nextRequest(), ErrorValue.ENOSPC)
    expect(await calling).toMatchObject({ command, message: `${what}: server replied ENOSPC` })
    handle.destroy()
  })

  // spec: client/disconnect/leave-on-shutdown
  test('B2: ESHUTDOWN: the command fails, what was not sent fails, and the client leaves: the connection is lost', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const pending = [handle.flush(), handle.trim(1, 0)].map(rejection)
    server.refuse(await server.request(Cmd.Flush), ErrorValue.ESHUTDOWN)
    const [refused, dropped] = await Promise.all(pending)
    expect(refused).toMatchObject({ code: 'ERR_NBD_SERVER', errno: 'ESHUTDOWN' })
    expect(dropped).toMatchObject({
      code: 'ERR_NBD_CLOSED',
      message: 'the server is shutting down: the command was not sent',
      ...{ errno: 'ENOTCONN', isConnectionLost: true, cause: refused },
    })
    const lost = { code: 'ERR_NBD_CLOSED', errno: 'ENOTCONN', isConnectionLost: true, cause: refused }
    expect(await rejection(handle.pread(1, 0))).toMatchObject(lost)
    await server.farewell()
    const end = await rejection(handle.closed)
    expect(end).toMatchObject({ ...lost, message: 'in-process:: the server shut down' })
    expect(handle.state).toBe('dead')
    expect(await rejection(handle.pread(1, 0))).toMatchObject({ ...lost, cause: end })
    await handle.shutdown()
  })

  test('after ESHUTDOWN, shutdown() is the end by the caller', async () => {
    const { handle, server } = await ready()
    const flushing = rejection(handle.flush())
    server.refuse(await server.request(Cmd.Flush), ErrorValue.ESHUTDOWN)
    await flushing
    const leaving = handle.shutdown()
    await server.farewell()
    await Promise.all([leaving, handle.closed])
    expect(handle.state).toBe('closed')
  })
})

describe('the server disconnects', () => {
  test('B2: between two replies: dead, and what is in flight or queued fails with one NbdTransportError', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 1 } })
    const pending = [handle.pread(1, 0), handle.flush()].map(rejection)
    await server.request(Cmd.Read)
    server.endOfFile()
    for (const error of await Promise.all(pending)) {
      expect(error).toMatchObject({
        name: 'NbdTransportError',
        code: 'ERR_NBD_TRANSPORT',
        errno: 'ENOTCONN',
        isConnectionLost: true,
        message: 'in-process:: the server disconnected with pread of 1 bytes at 0 and 1 more in flight',
      })
      expect(error).toBe(await rejection(handle.closed))
    }
    expect(handle).toMatchObject({ state: 'dead', inFlight: 0 })
    await server.disconnected()
  })

  test.each<[string, (server: ScriptedServer, request: never) => void, string]>([
    [
      'inside of a header',
      (server, request) => server.send(encodeSimpleReply(request, 0).subarray(0, 7)),
      'a reply, 7 bytes into its header',
    ],
    [
      'inside of the data',
      (server, request) => server.send(encodeSimpleReply(request, 0), repeated(7, 100)),
      'the reply to pread of 512 bytes at 0, 412 bytes before the end of a payload',
    ],
  ])('%s: dead, and everything fails with an NbdTransportError', async (_, send, where) => {
    const { handle, server } = await ready()
    const pending = [handle.pread(512, 0), handle.flush()].map(rejection)
    send(server, (await server.request(Cmd.Read)) as never)
    server.endOfFile()
    const [error, other] = await Promise.all(pending)
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      errno: 'ENOTCONN',
      operation: 'read',
      address: 'in-process:',
      message: `in-process:: the server disconnected in ${where}`,
    })
    expect(other).toBe(error)
    expect(handle.state).toBe('dead')
    expect(await rejection(handle.closed)).toBe(error)
  })

  test('F9: by a reset: dead, everything fails with ENOTCONN, and the reset is the cause', async () => {
    const { handle, server } = await ready()
    const pending = [handle.pread(512, 0), handle.flush()].map(rejection)
    await server.request(Cmd.Read)
    server.reset()
    const [error, other] = await Promise.all(pending)
    expect(error).toMatchObject({
      ...{ code: 'ERR_NBD_TRANSPORT', errno: 'ENOTCONN', operation: 'read', isConnectionLost: true },
      message: 'in-process:: the server disconnected with pread of 512 bytes at 0 and 1 more in flight',
      cause: expect.objectContaining({ errno: 'ECONNRESET' }),
    })
    expect(other).toBe(error)
    expect(await rejection(handle.closed)).toBe(error)
    expect(handle.state).toBe('dead')
  })

  test.each([
    ['before the greeting', async () => {}],
    ['in the greeting', async (server: ScriptedServer) => server.send(encodeGreeting(3).subarray(0, 9))],
    ['after the greeting', async (server: ScriptedServer) => void (await server.greet())],
    [
      'before the answer to NBD_OPT_GO',
      async (server: ScriptedServer) => {
        await server.open()
        await server.option(Opt.Go)
      },
    ],
  ])('%s: connect rejects with an NbdTransportError', async (_, play) => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const connecting = rejection(handle.connect(server.transport))
    await server.dialled()
    await play(server)
    server.endOfFile()
    const error = await connecting
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({
      errno: 'ENOTCONN',
      operation: 'read',
      message: expect.stringMatching(/^in-process:: the server disconnected during the handshake/),
    })
    expect(handle.state).toBe('dead')
    expect(await rejection(handle.closed)).toBe(error)
    await server.disconnected()
  })

  test('while negotiating between two options: dead', async () => {
    const { handle, server } = await negotiating()
    server.endOfFile()
    expect(await rejection(handle.closed)).toMatchObject({ code: 'ERR_NBD_TRANSPORT' })
    expect(handle.state).toBe('dead')
  })
})

describe('the server breaks the protocol', () => {
  test('everything fails with one NbdProtocolError that has the expected and the received value', async () => {
    const { handle, server } = await ready({}, { limits: { inFlightCommands: 2 } })
    const dead: unknown[] = []
    handle.on('dead', (error) => dead.push(error))
    const pending = [handle.pread(1, 0), handle.flush(), handle.trim(1, 0), handle.shutdown()].map(rejection)
    await server.request(Cmd.Read)
    server.send(octets('de ad be ef 00 00 00 00 00 00 00 00 00 00 00 00'))
    const errors = await Promise.all(pending)
    expect(errors[0]).toBeInstanceOf(NbdProtocolError)
    expect(errors[0]).toMatchObject({
      name: 'NbdProtocolError',
      code: 'ERR_NBD_PROTOCOL',
      errno: 'EPROTO',
      message:
        'reply: expected the magic 0x67446698 (structured replies were not negotiated), received 0xdeadbeef',
      expected: '0x67446698 (structured replies were not negotiated)',
      received: '0xdeadbeef',
    })
    expect(new Set(errors).size).toBe(1)
    expect(await rejection(handle.closed)).toBe(errors[0])
    expect(dead).toEqual([errors[0]])
    expect(handle).toMatchObject({ state: 'dead', inFlight: 0 })
    await server.disconnected()
    // Later bytes are ignored.
    await settled()
    expect(dead).toHaveLength(1)
  })

  test('a reply with an unknown cookie', async () => {
    const { handle, server } = await ready()
    const reading = rejection(handle.pread(1, 0))
    const request = await server.request(Cmd.Read)
    server.answer({ ...request, cookieHigh: request.cookieHigh + 1 }, octets('00'))
    expect(await reading).toMatchObject({
      code: 'ERR_NBD_PROTOCOL',
      expected: 'the cookie of one of 1 commands in flight',
    })
  })

  test('data outside of the request is not written', async () => {
    const { handle, server } = await ready({ structuredReplies: true })
    const memoryAround = repeated(0xee, 12)
    const reading = rejection(handle.preadInto(memoryAround.subarray(4, 8), 512))
    const request = await server.request(Cmd.Read)
    server.send(encodeOffsetData(request, ReplyFlag.Done, 514, 4), repeated(7, 4))
    expect(await reading).toMatchObject({ code: 'ERR_NBD_PROTOCOL', expected: 'data within the request' })
    expect(memoryAround).toEqual(repeated(0xee, 12))
  })
})

test('an error without a handler is no unhandled rejection', async () => {
  const { server } = await ready()
  server.reset()
  await settled()
  const early = new Handle()
  early.destroy()
  await settled()
  // watchLeaks() fails the test if there was one.
})
