import { describe, expect, test } from '@jest/globals'
import { NbdNegotiationError, NbdTransportError } from '@nbdjs/core'
import { optGo } from '../../../src/protocol/negotiation/opt-go.js'
import { Opt, Rep } from '../../../src/wire/constants.js'
import { encodeExportNameReply } from '../../../src/wire/greeting.js'
import { encodeInfoExport, encodeOptionReply } from '../../../src/wire/option-reply.js'
import { decodeOptionHeader } from '../../../src/wire/option-request.js'
import { encodeText } from '../../../src/wire/text.js'
import { refusal } from '../../bytes.js'
import { Dialogue, thrownBy } from './option-exchange-harness.js'

const shape = { size: 65536, transmissionFlags: 1 }
const granted = [
  encodeOptionReply(Opt.Go, Rep.Info, encodeInfoExport(shape)),
  encodeOptionReply(Opt.Go, Rep.Ack),
]
const unsupported = encodeOptionReply(Opt.Go, Rep.ErrUnsup, encodeText('what?'))

/** The options that were sent, one after the other. */
function optionsIn(sent: Uint8Array): number[] {
  const options: number[] = []
  for (let at = 0; at < sent.length; ) {
    const { option, length } = decodeOptionHeader(sent.subarray(at))
    options.push(option)
    at += 16 + length
  }
  return options
}

describe('the start of transmission', () => {
  // spec: client/size-constraints/prefer-go
  test('uses NBD_OPT_GO', () => {
    const dialogue = new Dialogue()
    expect(dialogue.read(optGo(dialogue.negotiation), ...granted).size).toBe(65536n)
    expect(optionsIn(dialogue.sent)).toEqual([Opt.Go])
  })

  test.each([true, false])(
    'uses NBD_OPT_EXPORT_NAME if the server does not support NBD_OPT_GO (%p)',
    (noZeroes) => {
      const dialogue = new Dialogue()
      dialogue.negotiation.handshakeFlags = { fixedNewstyle: true, noZeroes }
      const reply = encodeExportNameReply(shape, noZeroes)
      expect(dialogue.read(optGo(dialogue.negotiation), unsupported, reply)).toMatchObject({
        ...{ name: 'disk0', size: 65536n },
      })
      expect(optionsIn(dialogue.sent)).toEqual([Opt.Go, Opt.ExportName])
    },
  )

  test('uses NBD_OPT_EXPORT_NAME at once with plain newstyle', () => {
    const dialogue = new Dialogue()
    dialogue.negotiation.protocol = 'newstyle'
    const reply = encodeExportNameReply(shape, false)
    expect(dialogue.read(optGo(dialogue.negotiation), reply).size).toBe(65536n)
    expect(optionsIn(dialogue.sent)).toEqual([Opt.ExportName])
  })

  // spec: client/size-constraints/prefer-go
  test.each([
    ...[Rep.ErrPolicy, Rep.ErrInvalid, Rep.ErrPlatform, Rep.ErrTlsReqd, Rep.ErrUnknown, Rep.ErrShutdown],
    ...[Rep.ErrBlockSizeReqd, Rep.ErrTooBig, 0x80000042],
  ])('fails on error reply %d', (reply) => {
    const dialogue = new Dialogue()
    const error = thrownBy(() => dialogue.read(optGo(dialogue.negotiation), encodeOptionReply(Opt.Go, reply)))
    expect(error).toBeInstanceOf(NbdNegotiationError)
    expect(optionsIn(dialogue.sent)).toEqual([Opt.Go])
  })

  test('fails on a protocol violation', () => {
    const dialogue = new Dialogue()
    refusal(() => dialogue.read(optGo(dialogue.negotiation), encodeOptionReply(Opt.Go, Rep.Server)))
    expect(optionsIn(dialogue.sent)).toEqual([Opt.Go])
  })

  test('fails if the server disconnects after NBD_OPT_EXPORT_NAME', () => {
    const dialogue = new Dialogue()
    const hangup = new NbdTransportError('gone', { operation: 'read', address: 'test:' })
    expect(dialogue.interrupt(optGo(dialogue.negotiation), hangup, unsupported)).toMatchObject({
      ...{ option: 'NBD_OPT_EXPORT_NAME', errno: 'ENOENT' },
    })
  })
})
