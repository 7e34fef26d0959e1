import { describe, expect, it } from '@jest/globals'
import { decodeInfo, Opt, Rep, TransmissionFlag } from '@nbdjs/core/wire'
import { RawClient } from '../../peer/raw-client.js'

const flagsOf = (client: RawClient): number => {
  const [info] = client.inform(Opt.Info)
  const shape = info && decodeInfo(info.data)
  if (shape?.kind !== 'export') throw new Error('the export was not sent')
  return shape.transmissionFlags
}

describe('NBD_OPT_EXTENDED_HEADERS', () => {
  it('is acknowledged each time', () => {
    const client = new RawClient().greet()
    for (const _ of [1, 2]) expect(client.option(Opt.ExtendedHeaders)).toMatchObject([{ reply: Rep.Ack }])
  })

  it('must have no data', () => {
    const client = new RawClient().greet()
    const replies = client.option(Opt.ExtendedHeaders, new Uint8Array(4))
    expect(replies).toMatchObject([{ option: Opt.ExtendedHeaders, reply: Rep.ErrInvalid }])
    expect(new TextDecoder().decode(replies[0]?.data)).toBe(
      'NBD_OPT_EXTENDED_HEADERS: expected no data, received 4 bytes',
    )
    expect(flagsOf(client) & TransmissionFlag.SendDf).toBe(0)
  })

  it('includes structured replies and block status payloads', () => {
    const client = new RawClient().greet()
    expect(flagsOf(client) & (TransmissionFlag.SendDf | TransmissionFlag.BlockStatusPayload)).toBe(0)
    client.option(Opt.ExtendedHeaders)
    expect(flagsOf(client)).toBe(
      flagsOf(client) | TransmissionFlag.SendDf | TransmissionFlag.BlockStatusPayload,
    )
  })

  it('may follow NBD_OPT_STRUCTURED_REPLY, but not precede it', () => {
    const client = new RawClient().greet()
    expect(client.option(Opt.StructuredReply)).toMatchObject([{ reply: Rep.Ack }])
    expect(client.option(Opt.ExtendedHeaders)).toMatchObject([{ reply: Rep.Ack }])
    const replies = client.option(Opt.StructuredReply)
    expect(replies).toMatchObject([{ option: Opt.StructuredReply, reply: Rep.ErrExtHeaderReqd }])
    expect(new TextDecoder().decode(replies[0]?.data)).toContain('extended headers were negotiated')
  })

  it('follows structuredReplies unless it is set', () => {
    const answer = (features: object) =>
      new RawClient({ features }).greet().option(Opt.ExtendedHeaders)[0]?.reply
    expect(answer({ structuredReplies: false })).toBe(Rep.ErrUnsup)
    expect(answer({ structuredReplies: false, extendedHeaders: true })).toBe(Rep.Ack)
    expect(answer({ extendedHeaders: false })).toBe(Rep.ErrUnsup)
  })
})
