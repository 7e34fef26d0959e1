import { concat } from '../../src/wire/bytes.js'
import { Chunk, Info, Opt, Rep, ReplyFlag, TransmissionFlag } from '../../src/wire/constants.js'
import { encodeExportNameReply, encodeGreeting } from '../../src/wire/greeting.js'
import {
  encodeInfoBlockSize,
  encodeInfoExport,
  encodeInfoText,
  encodeListEntry,
  encodeOptionReply,
} from '../../src/wire/option-reply.js'
import {
  encodeChunkHeader,
  encodeErrorChunk,
  encodeOffsetData,
  encodeOffsetHole,
  encodeSimpleReply,
} from '../../src/wire/reply.js'
import { encodeText } from '../../src/wire/text.js'
import { octets, repeated } from '../bytes.js'
import { pattern } from './pattern.js'
import type { Play, PlayOptions } from './protocol-harness.js'
import { flush, read, trim, write } from './transmission/commands.js'

/** What it means when the server's bytes end: `closed`, or `dead` with the error of this class. */
export type Ending =
  | 'closed'
  | 'NbdTransportError'
  | 'NbdNegotiationError'
  | 'NbdProtocolError'
  | 'NbdClosedError'

export type Step =
  | {
      readonly server: (play: Play) => Uint8Array
      /** When they end right before these bytes, and when they end within. */
      readonly before: Ending
      readonly within: Ending
    }
  | { readonly client: (play: Play) => void }

export interface Session {
  readonly options?: PlayOptions
  readonly steps: readonly Step[]
  /** When the server's bytes end after all of this. */
  readonly end: Ending
}

const shape = {
  size: 2 ** 40,
  transmissionFlags:
    TransmissionFlag.HasFlags |
    TransmissionFlag.SendFlush |
    TransmissionFlag.SendTrim |
    TransmissionFlag.SendDf,
}
const { Done } = ReplyFlag

const toBytes = (bytes: Uint8Array | ((play: Play) => Uint8Array)): ((play: Play) => Uint8Array) =>
  typeof bytes === 'function' ? bytes : () => bytes

/** Bytes of the handshake. */
function handshake(...parts: readonly Uint8Array[]): Step {
  return { server: () => concat(...parts), before: 'NbdTransportError', within: 'NbdTransportError' }
}

/** The answer to NBD_OPT_EXPORT_NAME, in place of which a server may hang up. */
function grant(noZeroes: boolean): Step {
  const bytes = encodeExportNameReply(shape, noZeroes)
  return { server: () => bytes, before: 'NbdNegotiationError', within: 'NbdTransportError' }
}

/** One whole message of the transmission phase. */
function reply(bytes: Uint8Array | ((play: Play) => Uint8Array)): Step {
  return { server: toBytes(bytes), before: 'NbdTransportError', within: 'NbdTransportError' }
}

/** Bytes that arrive after our NBD_CMD_DISC. */
function afterwards(bytes: Uint8Array, ending: Ending = 'closed'): Step {
  return { server: () => bytes, before: ending, within: ending }
}

function client(act: (play: Play) => void): Step {
  return { client: act }
}

const disconnect: Step = client((play) => play.act((protocol) => protocol.disconnect()))
const simple = (name: string, error = 0, data: Uint8Array = new Uint8Array(0)): Step =>
  reply((play) => concat(encodeSimpleReply(play.cookie(name), error), data))
const data = (name: string, flags: number, offset: number, bytes: Uint8Array): Step =>
  reply((play) => concat(encodeOffsetData(play.cookie(name), flags, offset, bytes.length), bytes))
const hole = (name: string, flags: number, offset: number, length: number): Step =>
  reply((play) => encodeOffsetHole(play.cookie(name), flags, offset, length))
const none = (name: string): Step =>
  reply((play) => encodeChunkHeader(play.cookie(name), Done, Chunk.None, 0))
const failure = (name: string, flags: number, value: number, message: string, offset?: number): Step =>
  reply((play) =>
    encodeErrorChunk(play.cookie(name), flags, {
      ...{ value, message },
      ...(offset === undefined ? {} : { offset }),
    }),
  )

const structuredReplies = handshake(encodeOptionReply(Opt.StructuredReply, Rep.Ack))
/** Of a server that knows everything. */
export const greeting: Uint8Array = encodeGreeting(3)
const fixed = handshake(greeting)
const granted = (option: number): Uint8Array[] => [
  encodeOptionReply(option, Rep.Info, encodeInfoExport(shape)),
  encodeOptionReply(option, Rep.Ack),
]

/** NBD_OPT_GO with all information, a read, and a disconnect. */
export const automatic: Session = {
  options: { fullInfo: true },
  steps: [
    fixed,
    structuredReplies,
    handshake(
      encodeOptionReply(Opt.Go, Rep.Info, encodeInfoText(Info.Name, '/dev/disk0')),
      encodeOptionReply(Opt.Go, Rep.Info, encodeInfoExport(shape)),
      encodeOptionReply(Opt.Go, Rep.Info, octets('00 99 01 02')),
      encodeOptionReply(Opt.Go, Rep.Info, encodeInfoText(Info.Description, 'a disk')),
      encodeOptionReply(
        Opt.Go,
        Rep.Info,
        encodeInfoBlockSize({ minimum: 1, preferred: 4096, maximum: 2 ** 25 }),
      ),
      encodeOptionReply(Opt.Go, Rep.Ack),
    ),
    client((play) => play.submit({ a: read(8, 512) })),
    data('a', Done, 512, pattern(8)),
    disconnect,
  ],
  end: 'closed',
}

const fallBack = (first: Uint8Array, noZeroes: boolean): Session => ({
  steps: [
    handshake(first),
    handshake(encodeOptionReply(Opt.StructuredReply, Rep.ErrUnsup, encodeText('what?'))),
    handshake(encodeOptionReply(Opt.Go, Rep.ErrUnsup)),
    grant(noZeroes),
    client((play) => play.submit({ a: read(8, 512) })),
    simple('a', 0, pattern(8)),
    disconnect,
  ],
  end: 'closed',
})

/** An old server: no structured replies, no NBD_OPT_GO. */
export const exportName: Session = fallBack(encodeGreeting(3), true)
/** One that pads its reply as well. */
export const exportNameWithZeroes: Session = fallBack(encodeGreeting(1), false)

/** One that knows a single option. */
export const plainNewstyle: Session = {
  steps: [
    handshake(encodeGreeting(0)),
    grant(false),
    client((play) => play.submit({ a: read(8, 512) })),
    simple('a', 0, pattern(8)),
    disconnect,
  ],
  end: 'closed',
}

/** One that knows none. */
export const oldstyle: Session = {
  options: { optMode: true },
  steps: [
    handshake(
      octets('4e 42 44 4d 41 47 49 43  00 00 42 02 81 86 12 53  00 00 01 00 00 00 00 00  00 00 00 25'),
      repeated(0, 124),
    ),
    client((play) => play.submit({ a: read(8, 512) })),
    simple('a', 0, pattern(8)),
    disconnect,
  ],
  end: 'closed',
}

/** The caller takes every step: list, two times info, structured replies, go. */
export const optMode: Session = {
  options: { optMode: true, requestStructuredReplies: false },
  steps: [
    fixed,
    client((play) => play.act((protocol) => protocol.begin('list'))),
    handshake(
      encodeOptionReply(Opt.List, Rep.Server, encodeListEntry({ name: 'disk0', description: 'a disk' })),
      encodeOptionReply(Opt.List, Rep.Server, encodeListEntry({ name: '', description: '' })),
      encodeOptionReply(Opt.List, Rep.Ack),
    ),
    client((play) => play.act((protocol) => protocol.begin('info'))),
    handshake(encodeOptionReply(Opt.Info, Rep.ErrUnknown, encodeText('no such disk'))),
    client((play) => play.act((protocol) => protocol.begin('info'))),
    handshake(...granted(Opt.Info)),
    client((play) => play.act((protocol) => protocol.begin('structuredReply'))),
    structuredReplies,
    client((play) => play.act((protocol) => protocol.begin('go'))),
    handshake(...granted(Opt.Go)),
    client((play) => play.submit({ a: read(8, 512) })),
    data('a', Done, 512, pattern(8)),
    disconnect,
  ],
  end: 'closed',
}

/** The caller leaves without an export. */
export const optAbort: Session = {
  options: { optMode: true, requestStructuredReplies: false },
  steps: [
    fixed,
    client((play) => play.act((protocol) => protocol.abort())),
    afterwards(encodeOptionReply(Opt.Abort, Rep.Ack)),
  ],
  end: 'closed',
}

/** The server does not know the export. */
export const refused: Session = {
  steps: [
    fixed,
    structuredReplies,
    handshake(encodeOptionReply(Opt.Go, Rep.ErrUnknown, encodeText('no such disk'))),
    afterwards(encodeOptionReply(Opt.Abort, Rep.Ack), 'NbdNegotiationError'),
  ],
  end: 'NbdNegotiationError',
}

/** The server is going down while the caller negotiates. */
export const negotiationShutdown: Session = {
  options: { optMode: true, requestStructuredReplies: false },
  steps: [
    fixed,
    client((play) => play.act((protocol) => protocol.begin('list'))),
    handshake(encodeOptionReply(Opt.List, Rep.ErrShutdown, encodeText('bye'))),
    afterwards(encodeOptionReply(Opt.Abort, Rep.Ack), 'NbdNegotiationError'),
  ],
  end: 'NbdNegotiationError',
}

/** Several commands in flight, with replies in chunks, interleaved and reordered. */
export const structured: Session = {
  steps: [
    fixed,
    structuredReplies,
    handshake(...granted(Opt.Go)),
    client((play) =>
      play.submit({
        a: read(30, 1000),
        b: write(pattern(20), 4096),
        c: read(8, 0, { destination: repeated(0xee, 8) }),
        d: flush(),
        e: trim(4096, 8192),
      }),
    ),
    data('a', 0, 1020, pattern(10, 20)),
    none('d'),
    hole('a', 0, 1005, 10),
    failure('e', Done, 28, 'disk full', 8192),
    simple('b'),
    client((play) => play.submit({ f: write(pattern(9), 0), g: read(4, 64) })),
    failure('c', 0, 5, 'bad sector', 4),
    data('a', 0, 1000, pattern(5)),
    data('g', 0, 64, pattern(4)),
    data('c', Done, 0, pattern(4)),
    data('a', Done, 1015, pattern(5, 15)),
    none('f'),
    disconnect,
    none('g'),
  ],
  end: 'closed',
}

/** The same, where structured replies were not agreed. */
export const unstructured: Session = {
  options: { requestStructuredReplies: false },
  steps: [
    fixed,
    handshake(...granted(Opt.Go)),
    client((play) =>
      play.submit({
        a: read(30, 1000),
        b: write(pattern(20), 4096),
        c: read(8, 0),
        d: flush(),
        e: trim(4096, 8192),
      }),
    ),
    simple('d'),
    simple('e', 28),
    simple('a', 0, pattern(30)),
    simple('b'),
    client((play) => play.submit({ f: read(4, 64) })),
    simple('c', 5),
    disconnect,
    simple('f', 0, pattern(4)),
  ],
  end: 'closed',
}

/** The server is going down: the client finishes and leaves. */
export const transmissionShutdown: Session = {
  options: { limits: { inFlightCommands: 2 } },
  steps: [
    fixed,
    structuredReplies,
    handshake(...granted(Opt.Go)),
    client((play) => play.submit({ a: read(8), b: read(8), c: read(8) })),
    failure('b', Done, 108, 'bye'),
    data('a', Done, 0, pattern(8)),
  ],
  // The caller did not ask for it.
  end: 'NbdClosedError',
}

/** Long reads and a long write: data in place and in batches. */
export const long: Session = {
  steps: [
    fixed,
    structuredReplies,
    handshake(...granted(Opt.Go)),
    client((play) =>
      play.submit({
        a: read(300_000, 0),
        b: write(pattern(2_500_000), 4096),
        c: read(70_000, 512, { destination: repeated(0xee, 70_000) }),
      }),
    ),
    data('c', 0, 40_512, pattern(30_000, 40_000)),
    data('a', 0, 0, pattern(100_000)),
    hole('a', 0, 150_000, 100_000),
    none('b'),
    data('a', 0, 100_000, pattern(50_000, 100_000)),
    data('c', Done, 512, pattern(40_000)),
    data('a', Done, 250_000, pattern(50_000, 250_000)),
    disconnect,
  ],
  end: 'closed',
}

export const shortSessions: Readonly<Record<string, Session>> = {
  ...{ automatic, exportName, exportNameWithZeroes, plainNewstyle, oldstyle, optMode, optAbort },
  ...{ refused, negotiationShutdown, structured, unstructured, transmissionShutdown },
}
