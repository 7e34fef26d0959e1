import { describe, expect, test } from '@jest/globals'
import { NbdNegotiationError, NbdProtocolError } from '@nbdjs/core'
import { optionError, receiveReply, sendOption } from '../../../src/protocol/negotiation/option-exchange.js'
import { Opt, Rep } from '../../../src/wire/constants.js'
import { encodeOptionReply } from '../../../src/wire/option-reply.js'
import { encodeText } from '../../../src/wire/text.js'
import { octets, refusal, repeated } from '../../bytes.js'
import { Dialogue, thrownBy } from './option-exchange-harness.js'

const { List } = Opt

describe('an option', () => {
  test('is sent with its data, counted and logged', () => {
    const dialogue = new Dialogue()
    sendOption(dialogue.negotiation, Opt.ExportName, octets('61 62'))
    expect(dialogue.sent).toEqual(octets('49 48 41 56 45 4f 50 54  00 00 00 01  00 00 00 02  61 62'))
    expect(dialogue.stats).toMatchObject({ chunksSent: 1, chunksReceived: 0 })
    expect(dialogue.traced).toEqual(['-> NBD_OPT_EXPORT_NAME length=2 name="ab"'])
    expect(dialogue.negotiation.pendingReply).toBe('the reply to NBD_OPT_EXPORT_NAME')
  })

  test('may have no data', () => {
    const dialogue = new Dialogue()
    sendOption(dialogue.negotiation, Opt.Abort)
    expect(dialogue.sent).toEqual(octets('49 48 41 56 45 4f 50 54  00 00 00 02  00 00 00 00'))
  })
})

describe('a reply', () => {
  const receive = (reply: Uint8Array, expected?: typeof Rep.Server, dialogue = new Dialogue()) =>
    dialogue.read(receiveReply(dialogue.negotiation, List, expected), reply)

  test('is its type and its data', () => {
    const { reply, data } = receive(encodeOptionReply(List, Rep.Server, octets('01 02 03')), Rep.Server)
    expect([reply, data]).toEqual([Rep.Server, octets('01 02 03')])
  })

  test('without data needs no more bytes', () => {
    const dialogue = new Dialogue()
    const { reply, data } = receive(encodeOptionReply(List, Rep.Ack), undefined, dialogue)
    expect([reply, data.length, dialogue.wanted]).toEqual([Rep.Ack, 0, [20]])
  })

  test('is logged', () => {
    const dialogue = new Dialogue()
    receive(encodeOptionReply(List, Rep.Server, octets('00 00 00 01 61')), Rep.Server, dialogue)
    expect(dialogue.traced).toEqual(['<- NBD_OPT_LIST NBD_REP_SERVER length=5 name="a" description=""'])
  })

  test.each([
    [
      ...(['a wrong magic', octets('00 03 e8 89 04 55 65 aa 00 00 00 03 00 00 00 01 00 00 00 00')] as const),
      '<- ? 00 03 e8 89 04 55 65 aa 00 00 00 03 00 00 00 01 ... |.....Ue.........|',
    ],
    ['another option', encodeOptionReply(Opt.Go, Rep.Ack), '<- NBD_OPT_GO NBD_REP_ACK length=0'],
    ['another type', encodeOptionReply(List, Rep.Info), '<- NBD_OPT_LIST NBD_REP_INFO length=0'],
    [
      ...(['its length', octets('00 03 e8 89 04 55 65 a9 00 00 00 03 00 00 00 01 00 00 00 05')] as const),
      '<- NBD_OPT_LIST NBD_REP_ACK length=5',
    ],
  ])('is logged, and then rejected because of %s', (_, header, line) => {
    const dialogue = new Dialogue()
    refusal(() => receive(header, Rep.Server, dialogue))
    expect(dialogue.traced).toEqual([line])
  })

  test('to another option is a violation', () => {
    const error = refusal(() => receive(encodeOptionReply(Opt.Go, Rep.Ack)))
    expect(error.message).toBe(
      'NBD_OPT_LIST: expected a reply to NBD_OPT_LIST, received a reply to NBD_OPT_GO',
    )
  })

  test('with another magic is a violation', () => {
    const bytes = encodeOptionReply(List, Rep.Ack)
    bytes[7] = 0
    expect(refusal(() => receive(bytes)).message).toBe(
      'option reply: expected the magic 0x0003e889045565a9, received 0x0003e88904556500',
    )
  })
})

describe('a reply of the wrong type is rejected by its header', () => {
  const header = (reply: number, length: number): Uint8Array => {
    const bytes = encodeOptionReply(List, reply)
    new DataView(bytes.buffer).setUint32(16, length)
    return bytes
  }
  const receive = (bytes: Uint8Array, expected?: typeof Rep.Server) => () => {
    const dialogue = new Dialogue()
    dialogue.read(receiveReply(dialogue.negotiation, List, expected), bytes)
  }

  test.each([
    [Rep.Server, 'NBD_REP_SERVER'],
    [Rep.Info, 'NBD_REP_INFO'],
    [Rep.MetaContext, 'NBD_REP_META_CONTEXT'],
    [0, 'NBD_REP_? (0)'],
    [5, 'NBD_REP_? (5)'],
    [0x7fffffff, 'NBD_REP_? (2147483647)'],
  ])('%d, if only NBD_REP_ACK is valid', (reply, name) => {
    const error = refusal(receive(header(reply, 1000)))
    expect(error.message).toBe(`NBD_OPT_LIST: expected NBD_REP_ACK, received ${name}`)
    expect([error.expected, error.received]).toEqual(['NBD_REP_ACK', name])
  })

  test.each([Rep.Info, Rep.MetaContext, 5])('%d, if another type is valid', (reply) => {
    expect(refusal(receive(header(reply, 1000), Rep.Server)).message).toMatch(
      /^NBD_OPT_LIST: expected NBD_REP_SERVER or NBD_REP_ACK, received NBD_REP_/,
    )
  })

  test.each([
    [Rep.Ack, 1, 'NBD_REP_ACK with at most 0 bytes of data, received 1 bytes'],
    [Rep.Server, 1_048_577, 'NBD_REP_SERVER with at most 1048576 bytes of data, received 1048577 bytes'],
    [Rep.Server, 0xffffffff, 'NBD_REP_SERVER with at most 1048576 bytes of data, received 4294967295 bytes'],
    [Rep.ErrPolicy, 4097, 'NBD_REP_ERR_POLICY with at most 4096 bytes of data, received 4097 bytes'],
    [
      Rep.ErrUnsup,
      0xffffffff,
      'NBD_REP_ERR_UNSUP with at most 4096 bytes of data, received 4294967295 bytes',
    ],
  ])('%d with %d bytes, before they arrive', (reply, length, message) => {
    expect(refusal(receive(header(reply, length), Rep.Server)).message).toBe(
      `NBD_OPT_LIST: expected ${message}`,
    )
  })

  test('with more bytes than the caller allows', () => {
    const dialogue = new Dialogue({ limits: { optionReplyBytes: 100 } })
    const run = (reply: number) => () =>
      dialogue.read(receiveReply(dialogue.negotiation, List, Rep.Server), header(reply, 101))
    expect(refusal(run(Rep.Server)).message).toMatch('at most 100 bytes of data, received 101 bytes')
    expect(refusal(run(Rep.ErrUnsup)).message).toMatch('at most 100 bytes of data, received 101 bytes')
  })

  test('but not with exactly as many', () => {
    const dialogue = new Dialogue({ limits: { optionReplyBytes: 100 } })
    const reply = encodeOptionReply(List, Rep.Server, repeated(1, 100))
    expect(dialogue.read(receiveReply(dialogue.negotiation, List, Rep.Server), reply).data).toHaveLength(100)
  })
})

describe('an error reply', () => {
  const refused = (reply: number, data?: Uint8Array): NbdNegotiationError => {
    const dialogue = new Dialogue()
    const run = () =>
      dialogue.read(
        receiveReply(dialogue.negotiation, List, Rep.Server),
        encodeOptionReply(List, reply, data),
      )
    const error = thrownBy(run)
    expect(error).toBeInstanceOf(NbdNegotiationError)
    return error as NbdNegotiationError
  }

  test.each([
    [Rep.ErrUnsup, 'ENOTSUP', 'NBD_REP_ERR_UNSUP', ''],
    [Rep.ErrPolicy, 'ENOTSUP', 'NBD_REP_ERR_POLICY', ''],
    [Rep.ErrInvalid, 'EINVAL', 'NBD_REP_ERR_INVALID', ''],
    [Rep.ErrPlatform, 'ENOTSUP', 'NBD_REP_ERR_PLATFORM', ''],
    [Rep.ErrTlsReqd, 'ENOTSUP', 'NBD_REP_ERR_TLS_REQD', ': the server requires TLS'],
    [
      ...([Rep.ErrUnknown, 'ENOENT', 'NBD_REP_ERR_UNKNOWN'] as const),
      ': the server has no such export, or could not open it: optList() lists its exports, its log may say more',
    ],
    [Rep.ErrShutdown, 'ESHUTDOWN', 'NBD_REP_ERR_SHUTDOWN', ': the server is shutting down'],
    [
      ...([Rep.ErrBlockSizeReqd, 'EINVAL', 'NBD_REP_ERR_BLOCK_SIZE_REQD'] as const),
      ': the server requires its block sizes to be obeyed: leave requestBlockSize on',
    ],
    [Rep.ErrTooBig, 'EINVAL', 'NBD_REP_ERR_TOO_BIG', ''],
    [Rep.ErrExtHeaderReqd, 'ENOTSUP', 'NBD_REP_ERR_EXT_HEADER_REQD', ''],
    [0x80000000, 'ENOTSUP', 'NBD_REP_? (2147483648)', ''],
    [0xffffffff, 'ENOTSUP', 'NBD_REP_? (4294967295)', ''],
  ] as const)('%d is %s', (reply, errno, name, hint) => {
    expect(refused(reply)).toMatchObject({
      message: `NBD_OPT_LIST: server replied ${name}${hint}`,
      ...{ errno, option: 'NBD_OPT_LIST', reply: name, serverMessage: undefined },
      hint: hint === '' ? undefined : hint.slice(': '.length),
    })
    expect(refused(reply, encodeText('go "away"'))).toMatchObject({
      message: `NBD_OPT_LIST: server replied ${name}: "go \\"away\\""${hint}`,
      ...{ errno, serverMessage: 'go "away"' },
    })
  })

  test('may have the longest message, and one that is not UTF-8', () => {
    expect(refused(Rep.ErrPolicy, repeated(0x61, 4096)).serverMessage).toBe('a'.repeat(4096))
    expect(refused(Rep.ErrPolicy, octets('ff 61')).serverMessage).toBe('\ufffda')
  })
})

test('a violation of the protocol has the expected and the received value', () => {
  const error = optionError(Opt.Go, 'this', 'that')
  expect(error).toBeInstanceOf(NbdProtocolError)
  expect([error.message, error.expected, error.received]).toEqual([
    'NBD_OPT_GO: expected this, received that',
    'this',
    'that',
  ])
})
