import { type Errno, NbdNegotiationError, NbdProtocolError } from '../../errors.js'
import { quote } from '../../quote.js'
import { isErrorReply, Opt, optName, Rep, repName } from '../../wire/constants.js'
import {
  decodeErrorText,
  decodeOptionReplyHeader,
  OPTION_REPLY_HEADER_LENGTH,
  type OptionReplyHeader,
} from '../../wire/option-reply.js'
import { encodeOption } from '../../wire/option-request.js'
import { MAX_STRING_BYTES } from '../../wire/text.js'
import { optionLine, optionReplyLine, unknownBytesLine } from '../debug/format-handshake.js'
import type { Trace } from '../debug/trace.js'
import type { Limits } from '../limits.js'
import type { Negotiation } from './negotiation.js'

const NO_DATA = new Uint8Array(0)

/** The reply types that are valid besides NBD_REP_ACK. */
type Content = typeof Rep.Server | typeof Rep.Info | typeof Rep.MetaContext

export interface OptionReply {
  readonly reply: number
  /** A view, valid until the next reply is requested. */
  readonly data: Uint8Array
}

/** Sends an option. The next one must follow its final reply ("Fixed newstyle negotiation"). */
export function sendOption(negotiation: Negotiation, option: number, data: Uint8Array = NO_DATA): void {
  negotiation.stats.chunksSent++
  negotiation.replies = 0
  negotiation.replyBytes = 0
  negotiation.hasSentOption = true
  negotiation.pendingReply = `the reply to ${optName(option)}`
  negotiation.trace.log(optionLine, option, data)
  negotiation.send(encodeOption(option, data))
}

/**
 * Receives the next reply to `option`: one of the `expected` types, or NBD_REP_ACK. An error reply is thrown as an
 * {@link NbdNegotiationError}; any other reply is a violation of the protocol.
 */
export function* receiveReply(
  negotiation: Negotiation,
  option: number,
  expected?: Content,
): HandshakeSteps<OptionReply> {
  const { limits, trace } = negotiation
  const header = decodeTraced(trace, yield OPTION_REPLY_HEADER_LENGTH, decodeOptionReplyHeader)
  const violation = violationOf(header, option, expected, limits) ?? excessOf(header, negotiation)
  if (violation !== undefined) {
    trace.log(optionReplyLine, header, undefined)
    throw violation
  }
  const { reply, length } = header
  const data = length === 0 ? NO_DATA : yield length
  trace.log(optionReplyLine, header, data)
  if (isErrorReply(reply)) throw negotiationError(negotiation, option, reply, data)
  return { reply, data }
}

/** Checks the header of a reply before its data is expected. Returns the violation, if any. */
function violationOf(
  header: OptionReplyHeader,
  option: number,
  expected: Content | undefined,
  limits: Limits,
): NbdProtocolError | undefined {
  const { reply, length } = header
  if (header.option !== option)
    return optionError(option, `a reply to ${optName(option)}`, `a reply to ${optName(header.option)}`)
  if (!isErrorReply(reply) && reply !== Rep.Ack && reply !== expected) {
    const wanted = expected === undefined ? 'NBD_REP_ACK' : `${repName(expected)} or NBD_REP_ACK`
    return optionError(option, wanted, repName(reply))
  }
  const maximum = maximumLength(reply, limits)
  if (length <= maximum) return undefined
  return optionError(option, `${repName(reply)} with at most ${maximum} bytes of data`, `${length} bytes`)
}

/** Counts a reply with content. The number is limited, because a server could send them without an end. */
function excessOf(header: OptionReplyHeader, negotiation: Negotiation): NbdProtocolError | undefined {
  const { option, reply, length } = header
  if (reply === Rep.Ack || isErrorReply(reply)) return undefined
  negotiation.replies++
  negotiation.replyBytes += length
  const { listEntries, optionTotalBytes } = negotiation.limits
  const name = repName(reply)
  if (negotiation.replies > listEntries)
    return optionError(option, `at most ${listEntries} ${name} (limits.listEntries)`, 'more')
  if (negotiation.replyBytes > optionTotalBytes) {
    const expected = `at most ${optionTotalBytes} bytes in all ${name} (limits.optionTotalBytes)`
    return optionError(option, expected, `${negotiation.replyBytes}`)
  }
  return undefined
}

/** The maximum length of the data of a reply ("Option reply types"), checked before the data is expected. */
function maximumLength(reply: number, { optionReplyBytes }: Limits): number {
  if (reply === Rep.Ack) return 0
  return isErrorReply(reply) ? Math.min(MAX_STRING_BYTES, optionReplyBytes) : optionReplyBytes
}

/** Requests a feature without data. Returns whether the server accepted. A rejection changes nothing. */
export function* requestFeature(negotiation: Negotiation, option: number): HandshakeSteps<boolean> {
  sendOption(negotiation, option)
  try {
    yield* receiveReply(negotiation, option)
    return true
  } catch (error) {
    if (isRecoverable(error)) return false
    throw error
  }
}

/** "Termination of the session during option haggling": after NBD_REP_ERR_SHUTDOWN the session cannot continue. */
export function isRecoverable(error: unknown): boolean {
  return error instanceof NbdNegotiationError && error.errno !== 'ESHUTDOWN'
}

/** The errno for an error reply. */
const errnoOfReply = new Map<number, Errno>([
  [Rep.ErrUnsup, 'ENOTSUP'],
  [Rep.ErrPolicy, 'ENOTSUP'],
  [Rep.ErrPlatform, 'ENOTSUP'],
  [Rep.ErrInvalid, 'EINVAL'],
  [Rep.ErrTooBig, 'EINVAL'],
  [Rep.ErrTlsReqd, 'ENOTSUP'],
  [Rep.ErrUnknown, 'ENOENT'],
  [Rep.ErrShutdown, 'ESHUTDOWN'],
  [Rep.ErrBlockSizeReqd, 'EINVAL'],
])

/** The hint for an error reply. */
const hintOfReply = new Map<number, string>([
  [Rep.ErrTlsReqd, 'the server requires TLS'],
  [
    Rep.ErrUnknown,
    'the server has no such export, or could not open it: optList() lists its exports, its log may say more',
  ],
  [Rep.ErrBlockSizeReqd, 'the server requires its block sizes to be obeyed: leave requestBlockSize on'],
  [Rep.ErrShutdown, 'the server is shutting down'],
])

/** The options that concern one export. */
const optionsOfExport: readonly number[] = [Opt.Go, Opt.Info, Opt.ListMetaContext, Opt.SetMetaContext]

function negotiationError(
  negotiation: Negotiation,
  option: number,
  reply: number,
  data: Uint8Array,
): NbdNegotiationError {
  const serverMessage = data.length === 0 ? undefined : negotiation.mask(decodeErrorText(data))
  const said = serverMessage === undefined ? '' : `: ${quote(serverMessage)}`
  const which = optionsOfExport.includes(option) ? ` of export ${negotiation.exportLabel}` : ''
  return new NbdNegotiationError(`${optName(option)}${which}: server replied ${repName(reply)}${said}`, {
    hint: hintOfReply.get(reply),
    errno: errnoOfReply.get(reply) ?? 'ENOTSUP',
    option: optName(option),
    reply: repName(reply),
    serverMessage,
  })
}

export function optionError(option: number, expected: string, received: string): NbdProtocolError {
  return new NbdProtocolError(`${optName(option)}: expected ${expected}, received ${received}`, {
    expected,
    received,
  })
}

/** What a {@link HandshakeSteps} yields to wait until TLS is on, instead of for bytes. */
export const TLS_STARTED = 'TLS started'

/**
 * A part of the handshake as a generator. It yields the number of bytes that it needs next and is resumed with them, or yields
 * {@link TLS_STARTED} and is resumed without bytes. The bytes are a view, valid until the next yield.
 */
export type HandshakeSteps<T> = Generator<number | typeof TLS_STARTED, T, Uint8Array>

/** Decodes bytes. If `decode` throws, the trace shows the bytes. */
export function decodeTraced<T>(trace: Trace, bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T {
  try {
    return decode(bytes)
  } catch (error) {
    trace.log(unknownBytesLine, bytes)
    throw error
  }
}
