import { describe, expect, it } from '@jest/globals'
import { NbdProtocolError } from '@nbdjs/core'
import {
  decodeErrorText,
  encodeClientFlags,
  encodeGreeting,
  encodeOption,
  HandshakeFlag,
  Opt,
  optName,
  Rep,
  repName,
} from '@nbdjs/core/wire'
import { memoryBackend } from '@nbdjs/server'
import { concat } from '../../../src/bytes.js'
import { allFlags, parseOptionReplies, RawClient } from '../../peer/raw-client.js'

const reply = (option: number, type: number, text?: string) => [
  { option, reply: type, data: text === undefined ? expect.anything() : new TextEncoder().encode(text) },
]

const noData = new Uint8Array(0)

describe('the greeting', () => {
  // spec: server/handshake-flags/fixed-newstyle, server/handshake-flags/no-others
  it('is newstyle, and sent at once', () => {
    expect(new RawClient().connection.take()).toEqual(encodeGreeting(allFlags))
  })

  it.each([
    [{ fixedNewstyle: false }, HandshakeFlag.NoZeroes],
    [{ noZeroes: false }, HandshakeFlag.FixedNewstyle],
    [{ fixedNewstyle: false, noZeroes: false }, 0],
  ])('does not offer features that are off: %p', (features, flags) => {
    expect(new RawClient({ features }).connection.take()).toEqual(encodeGreeting(flags))
  })
})

describe('the client flags', () => {
  it.each([0, HandshakeFlag.FixedNewstyle, HandshakeFlag.NoZeroes, allFlags])('may be %i', (flags) => {
    expect(new RawClient().greet(flags).isAlive).toBe(true)
  })

  // spec: server/newstyle/strange-client-flags
  it.each([4, 0x80000000, 0xffffffff])('must not contain unknown flags: %i', (flags) => {
    const client = new RawClient().greet(flags)
    expect(client.fatal).toBe(
      `client flags: expected at most 0x00000003, the flags that were offered, received 0x${flags.toString(16).padStart(8, '0')}`,
    )
    expect(client.errors[0]?.error).toBeInstanceOf(NbdProtocolError)
    expect(client.errors[0]?.client).toEqual({ address: 'test:', exportName: undefined })
  })

  // spec: server/newstyle/strange-client-flags
  it('must not contain flags that were not offered', () => {
    const client = new RawClient({ features: { noZeroes: false } }).greet(allFlags)
    expect(client.fatal).toBe(
      'client flags: expected at most 0x00000001, the flags that were offered, received 0x00000003',
    )
  })
})

describe('an option', () => {
  // spec: server/baseline/unknown-options, server/baseline/unknown-options-are-skipped
  // spec: server/tls/one-of-the-modes, server/notls/refuse-starttls, server/starttls/acknowledge-or-refuse
  it.each([4, Opt.StartTls, 12, 999, 0xffffffff])(
    'that is unknown is answered with NBD_REP_ERR_UNSUP, and the next one is parsed correctly: %i',
    (option) => {
      const client = new RawClient().greet()
      const text = `${optName(option)}: this server does not support it`
      expect(client.option(option, new Uint8Array(100_000))).toEqual(reply(option, Rep.ErrUnsup, text))
      expect(client.option(Opt.List).at(-1)).toMatchObject({ reply: Rep.Ack })
    },
  )

  it.each([
    ['list', Opt.List],
    ['go', Opt.Go],
    ['info', Opt.Info],
    ['structuredReplies', Opt.StructuredReply],
    ['extendedHeaders', Opt.ExtendedHeaders],
    ['metaContexts', Opt.ListMetaContext],
    ['metaContexts', Opt.SetMetaContext],
  ])('that is off is unknown: %s', (feature, option) => {
    const client = new RawClient({ features: { [feature]: false } }).greet()
    expect(client.option(option, Uint8Array.of(0, 0, 0, 0, 0, 0))).toEqual(reply(option, Rep.ErrUnsup))
    expect(client.isAlive).toBe(true)
  })

  it('with too much data is answered with NBD_REP_ERR_TOO_BIG, and its data is skipped', () => {
    const client = new RawClient().greet()
    const text = 'NBD_OPT_GO: expected at most 65536 bytes of data, received 65537'
    expect(client.option(Opt.Go, new Uint8Array(65537))).toEqual(reply(Opt.Go, Rep.ErrTooBig, text))
    expect(client.option(Opt.Go, new Uint8Array(1024 * 1024))).toEqual(reply(Opt.Go, Rep.ErrTooBig))
    expect(client.inform(Opt.Go).at(-1)).toMatchObject({ reply: Rep.Ack })
  })

  it.each([Opt.Go, Opt.ExportName, 999])('with too much data to skip ends the connection: %i', (option) => {
    const client = new RawClient().greet()
    const header = encodeOption(option)
    new DataView(header.buffer).setUint32(12, 1024 * 1024 + 1)
    client.connection.push(header)
    const limit = option === Opt.ExportName ? 65536 : 1048576
    expect(client.fatal).toBe(`${optName(option)}: expected at most ${limit} bytes of data, received 1048577`)
  })

  it('with a wrong magic ends the connection', () => {
    const client = new RawClient().greet()
    const option = encodeOption(Opt.List)
    option[0] = 0
    client.connection.push(option)
    expect(client.fatal).toBe('option: expected IHAVEOPT (0x49484156454f5054), received 0x00484156454f5054')
  })

  // spec: server/haggling/no-hard-disconnect
  it('that is malformed is answered with NBD_REP_ERR_INVALID and the reason', () => {
    const client = new RawClient().greet()
    expect(client.option(Opt.Go, Uint8Array.of(0, 0, 0, 9, 0, 0))).toEqual(
      reply(Opt.Go, Rep.ErrInvalid, 'NBD_OPT_GO: expected a name of at most 0 bytes, received 9'),
    )
    expect(client.isAlive).toBe(true)
  })

  it('may be repeated up to limits.options', () => {
    const client = new RawClient({ limits: { options: 3 } }).greet()
    for (let count = 0; count < 3; count++) client.option(Opt.List)
    expect(client.fatal).toBe('handshake: the client sent more than 3 options (limits.options)')
  })

  // spec: server/export-name/alone-without-fixed-newstyle
  it('other than NBD_OPT_EXPORT_NAME ends the connection in nonfixed newstyle', () => {
    const expectFatal = (client: RawClient): void => {
      client.connection.push(encodeOption(Opt.List))
      expect(client.fatal).toBe(
        'NBD_OPT_LIST: expected NBD_OPT_EXPORT_NAME, because fixed newstyle was not negotiated',
      )
    }
    expectFatal(new RawClient().greet(HandshakeFlag.NoZeroes))
    expectFatal(new RawClient({ features: { fixedNewstyle: false } }).greet(0))
  })
})

describe('the handshake', () => {
  const whole = concat(
    encodeClientFlags(allFlags),
    encodeOption(999, new Uint8Array(5000)),
    encodeOption(Opt.List),
    encodeOption(Opt.StructuredReply),
    encodeOption(Opt.Abort),
  )

  it.each([1, 2, 3, 7, 4096, whole.length])('may arrive in pieces of %i bytes', (step) => {
    const client = new RawClient()
    client.connection.take()
    client.connection.push(whole, step)
    const replies = parseOptionReplies(client.connection.take())
    expect(replies.map(({ reply: type }) => repName(type))).toEqual([
      'NBD_REP_ERR_UNSUP',
      'NBD_REP_SERVER',
      'NBD_REP_ACK',
      'NBD_REP_ACK',
      'NBD_REP_ACK',
    ])
    expect(client.connection.isClosing).toBe(true)
  })

  it('ends without an error if a client hangs up between two messages', () => {
    for (const client of [new RawClient(), new RawClient().greet()]) {
      client.connection.hangUp()
      expect(client.errors).toEqual([])
      expect(client.server.connections).toBe(0)
    }
  })

  it('ends with an error if a client hangs up within a message', () => {
    const client = new RawClient().greet()
    client.connection.push(encodeOption(Opt.Go, new Uint8Array(10)).subarray(0, 20))
    client.connection.end()
    expect(client.fatal).toBe(
      'handshake: the client hung up within a message: expected the data of NBD_OPT_GO of 10 bytes, received 4',
    )
  })

  it('stops while the client does not take its replies', () => {
    const client = new RawClient().greet()
    client.connection.isBlocked = true
    client.connection.push(concat(encodeOption(Opt.List), encodeOption(Opt.Abort)))
    expect(parseOptionReplies(client.connection.take()).map(({ option }) => option)).toEqual([
      Opt.List,
      Opt.List,
    ])
    expect(client.isAlive).toBe(true)
    client.connection.drain()
    expect(parseOptionReplies(client.connection.take())).toEqual([
      { option: Opt.Abort, reply: Rep.Ack, data: noData },
    ])
  })

  it('ends if a client sends more options without taking the replies', () => {
    const client = new RawClient().greet()
    client.connection.isBlocked = true
    client.connection.push(encodeOption(Opt.List))
    client.connection.push(concat(...Array.from({ length: 300 }, () => encodeOption(Opt.List))))
    expect(client.fatal).toBe(
      'handshake: the client sent 4096 bytes of further options without taking the replies',
    )
    expect(parseOptionReplies(client.connection.take()).length).toBe(2)
  })

  // spec: server/haggling/refuse-by-errors
  it('answers with NBD_REP_ERR_SHUTDOWN while the server is being closed, except to NBD_OPT_ABORT', async () => {
    const client = new RawClient().greet()
    const closed = client.server.close()
    expect(client.inform(Opt.Go)).toEqual(reply(Opt.Go, Rep.ErrShutdown, 'the server is being shut down'))
    expect(client.option(Opt.Abort)).toEqual(reply(Opt.Abort, Rep.Ack, ''))
    client.connection.hangUp()
    await closed
    expect(client.errors).toEqual([])
  })

  it('rejects NBD_OPT_EXPORT_NAME while the server is being closed', () => {
    const client = new RawClient({ exports: { a: memoryBackend(1) } }).greet()
    void client.server.close()
    client.exportName('a')
    expect(client.fatal).toContain('the server is being shut down')
  })
})

it('G4: quotes the name of an unknown export in the error reply, and cuts it short', () => {
  const client = new RawClient().greet()
  const [reply] = client.inform(Opt.Info, `\u009b31m\u202e${'x'.repeat(4000)}`)
  expect(reply).toMatchObject({ reply: Rep.ErrUnknown })
  expect(decodeErrorText(reply?.data ?? noData)).toMatch(
    /^unknown export "\\u009b31m\\u202ex+"\.\.\. \(4005 characters\)$/,
  )
})
