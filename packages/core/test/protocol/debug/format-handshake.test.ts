import { describe, expect, test } from '@jest/globals'
import {
  clientFlagsLine,
  discardedBytesLine,
  exportNameReplyLine,
  newstyleLine,
  noMetaContextsLine,
  oldstyleLine,
  optionLine,
  optionReplyLine,
  phaseLine,
  tlsLine,
  unknownBytesLine,
} from '../../../src/protocol/debug/format-handshake.js'
import { Info, Opt, Rep } from '../../../src/wire/constants.js'
import {
  encodeInfoBlockSize,
  encodeInfoExport,
  encodeInfoText,
  encodeListEntry,
  encodeMetaContext,
} from '../../../src/wire/option-reply.js'
import { encodeInfoRequest, encodeMetaContextRequest } from '../../../src/wire/option-request.js'
import { encodeText } from '../../../src/wire/text.js'
import { octets, repeated } from '../../bytes.js'

const NONE = new Uint8Array(0)

describe('greetings and answers without a header', () => {
  test.each([
    [newstyleLine(3), '<- NBDMAGIC IHAVEOPT flags=FIXED_NEWSTYLE|NO_ZEROES'],
    [newstyleLine(0), '<- NBDMAGIC IHAVEOPT flags=0'],
    [newstyleLine(0x8001), '<- NBDMAGIC IHAVEOPT flags=FIXED_NEWSTYLE|0x8000'],
    [
      oldstyleLine({ handshakeFlags: 0, size: 65536, transmissionFlags: 3 }),
      '<- NBDMAGIC OLDSTYLE handshakeFlags=0 size=65536 flags=HAS_FLAGS|READ_ONLY',
    ],
    [clientFlagsLine(1), '-> client flags=FIXED_NEWSTYLE'],
    [clientFlagsLine(0), '-> client flags=0'],
    [
      exportNameReplyLine({ size: 2n ** 63n, transmissionFlags: 0 }),
      '<- NBD_OPT_EXPORT_NAME size=9223372036854775808 flags=0',
    ],
  ])('%s', (line, expected) => {
    expect(line).toBe(expected)
  })
})

describe('an option', () => {
  const disk = { exportName: 'disk0' }
  test.each([
    [Opt.ExportName, encodeText('disk0'), 'NBD_OPT_EXPORT_NAME length=5 name="disk0"'],
    [Opt.ExportName, NONE, 'NBD_OPT_EXPORT_NAME length=0 name=""'],
    [Opt.Abort, NONE, 'NBD_OPT_ABORT length=0'],
    [Opt.List, NONE, 'NBD_OPT_LIST length=0'],
    [Opt.StartTls, NONE, 'NBD_OPT_STARTTLS length=0'],
    [Opt.Info, encodeInfoRequest({ ...disk, infos: [] }), 'NBD_OPT_INFO length=11 name="disk0" infos='],
    [
      ...([Opt.Go, encodeInfoRequest({ ...disk, infos: [Info.BlockSize, Info.Name] })] as const),
      'NBD_OPT_GO length=15 name="disk0" infos=NBD_INFO_BLOCK_SIZE,NBD_INFO_NAME',
    ],
    [Opt.StructuredReply, NONE, 'NBD_OPT_STRUCTURED_REPLY length=0'],
    [
      ...([Opt.ListMetaContext, encodeMetaContextRequest({ ...disk, queries: [] })] as const),
      'NBD_OPT_LIST_META_CONTEXT length=13 name="disk0" queries=',
    ],
    [
      ...([Opt.SetMetaContext, encodeMetaContextRequest({ ...disk, queries: ['base:', 'qemu:'] })] as const),
      'NBD_OPT_SET_META_CONTEXT length=31 name="disk0" queries="base:","qemu:"',
    ],
    [Opt.ExtendedHeaders, NONE, 'NBD_OPT_EXTENDED_HEADERS length=0'],
    [99, octets('00'), 'NBD_OPT_? (99) length=1'],
  ])('%#', (option, data, line) => {
    expect(optionLine(option, data)).toBe(`-> ${line}`)
  })
})

describe('an option reply', () => {
  test.each<[option: number, reply: number, data: Uint8Array, line: string]>([
    [Opt.Go, Rep.Ack, NONE, 'NBD_OPT_GO NBD_REP_ACK length=0'],
    [
      ...([Opt.List, Rep.Server, encodeListEntry({ name: 'disk0', description: 'a disk' })] as const),
      'NBD_OPT_LIST NBD_REP_SERVER length=15 name="disk0" description="a disk"',
    ],
    [
      ...([Opt.Go, Rep.Info, encodeInfoExport({ size: 1048576, transmissionFlags: 0x8005 })] as const),
      'NBD_OPT_GO NBD_REP_INFO length=12 NBD_INFO_EXPORT size=1048576 flags=HAS_FLAGS|SEND_FLUSH|0x8000',
    ],
    [
      ...([Opt.Go, Rep.Info, encodeInfoText(Info.Name, '/dev/sda')] as const),
      'NBD_OPT_GO NBD_REP_INFO length=10 NBD_INFO_NAME name="/dev/sda"',
    ],
    [
      ...([Opt.Info, Rep.Info, encodeInfoText(Info.Description, 'a disk')] as const),
      'NBD_OPT_INFO NBD_REP_INFO length=8 NBD_INFO_DESCRIPTION description="a disk"',
    ],
    [
      Opt.Go,
      Rep.Info,
      encodeInfoBlockSize({ minimum: 1, preferred: 4096, maximum: 0xffffffff }),
      'NBD_OPT_GO NBD_REP_INFO length=14 NBD_INFO_BLOCK_SIZE minimum=1 preferred=4096 maximum=4294967295',
    ],
    [Opt.Go, Rep.Info, octets('12 34 01'), 'NBD_OPT_GO NBD_REP_INFO length=3 NBD_INFO_? (4660)'],
    [
      ...([
        Opt.SetMetaContext,
        Rep.MetaContext,
        encodeMetaContext({ id: 7, name: 'base:allocation' }),
      ] as const),
      'NBD_OPT_SET_META_CONTEXT NBD_REP_META_CONTEXT length=19 id=7 name="base:allocation"',
    ],
    [Opt.List, Rep.ErrUnsup, NONE, 'NBD_OPT_LIST NBD_REP_ERR_UNSUP length=0'],
    [
      ...([Opt.Go, Rep.ErrUnknown, encodeText('no "such"\ndisk')] as const),
      'NBD_OPT_GO NBD_REP_ERR_UNKNOWN length=14 "no \\"such\\"\\ndisk"',
    ],
    [Opt.Go, 0x80001234, encodeText('?'), 'NBD_OPT_GO NBD_REP_? (2147488308) length=1 "?"'],
    [99, 98, octets('00'), 'NBD_OPT_? (99) NBD_REP_? (98) length=1'],
  ])('%#', (option, reply, data, line) => {
    expect(optionReplyLine({ option, reply, length: data.length }, data)).toBe(`<- ${line}`)
  })

  test.each([
    [Rep.Info, octets('00 00 ff'), '00 00 ff |...|'],
    [Rep.Info, octets('00'), '00 |.|'],
    [Rep.Server, octets('00 00 00 09 61'), '00 00 00 09 61 |....a|'],
    [Rep.MetaContext, octets('00 00 00 01 ff'), '00 00 00 01 ff |.....|'],
  ])('that is malformed shows its bytes', (reply, data, shown) => {
    const line = optionReplyLine({ option: Opt.Go, reply, length: data.length }, data)
    expect(line).toMatch(/^<- NBD_OPT_GO NBD_REP_\w+ length=\d malformed: /)
    expect(line.endsWith(`malformed: ${shown}`)).toBe(true)
  })

  test('that was refused for its length shows no data', () => {
    expect(optionReplyLine({ option: Opt.Go, reply: Rep.Ack, length: 2 ** 32 - 1 })).toBe(
      '<- NBD_OPT_GO NBD_REP_ACK length=4294967295',
    )
  })

  test('is one line of bounded length, whatever the text', () => {
    const data = repeated(0x1b, 4096)
    const line = optionReplyLine({ option: Opt.Go, reply: Rep.ErrPolicy, length: 4096 }, data)
    expect(line).toBe(
      `<- NBD_OPT_GO NBD_REP_ERR_POLICY length=4096 "${'\\u001b'.repeat(256)}"... (4096 characters)`,
    )
  })
})

describe('what is no frame', () => {
  test.each([
    [unknownBytesLine(octets('48 54 54 50')), '<- ? 48 54 54 50 |HTTP|'],
    [discardedBytesLine(20), '<- 20 bytes, not read'],
    [tlsLine(), 'TLS is on'],
    [phaseLine('opening', 'transmission', undefined), 'opening -> transmission'],
    [phaseLine('opening', 'dead', new Error('gone\n')), 'opening -> dead: gone\\u000a'],
    [noMetaContextsLine(new Error('refused\u009b')), 'no meta contexts: refused\\u009b'],
  ])('%s', (line, expected) => {
    expect(line).toBe(expected)
  })
})
