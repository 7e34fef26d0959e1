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

/** What may come instead of NBD_REP_ACK. */
type Content = typeof Rep.Server | typeof Rep.Info | typeof Rep.MetaContext

export interface OptionReply {
  readonly reply: number
  /** A view, valid until the next reply is asked for. */
  readonly data: Uint8Array
}

/** Sends an option. The next one waits for its final reply ("Fixed newstyle negotiation"). */
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
 * The next reply to `option`: one of the `expected` types, or NBD_REP_ACK. An error reply is thrown as a
 * {@link NbdNegotiationError}; anything else breaks the protocol.
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

/** What is wrong with a reply before any of its data is waited for, if anything. */
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

/** Counts a reply with content: a server may send any number of them, which must not go on for ever. */
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

/** How much data may come with a reply ("Option reply types"): known before any of it is waited for. */
function maximumLength(reply: number, { optionReplyBytes }: Limits): number {
  if (reply === Rep.Ack) return 0
  return isErrorReply(reply) ? Math.min(MAX_STRING_BYTES, optionReplyBytes) : optionReplyBytes
}

/** Asks for a feature that has no data: true when the server agreed. A refusal takes nothing back. */
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

/** "Termination of the session during option haggling": after NBD_REP_ERR_SHUTDOWN there is no going on. */
export function isRecoverable(error: unknown): boolean {
  return error instanceof NbdNegotiationError && error.errno !== 'ESHUTDOWN'
}

/** What a refusal means in terms of errno. */
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

/** What the caller can do about it. */
const hintOfReply = new Map<number, string>([
  [Rep.ErrTlsReqd, 'the server requires TLS'],
  [
    Rep.ErrUnknown,
    'the server has no such export, or could not open it: optList() lists its exports, its log may say more',
  ],
  [Rep.ErrBlockSizeReqd, 'the server requires its block sizes to be obeyed: leave requestBlockSize on'],
  [Rep.ErrShutdown, 'the server is shutting down'],
])

/** The options that are about one export. */
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
 * A piece of the handshake as straight-line code: it yields how many bytes it needs next and is resumed with
 * exactly these, or {@link TLS_STARTED} and is resumed with none. The bytes are a view, valid until the next yield.
 */
export type HandshakeSteps<T> = Generator<number | typeof TLS_STARTED, T, Uint8Array>

/** What `decode` makes of these bytes. Where it throws, the trace shows what came instead. */
export function decodeTraced<T>(trace: Trace, bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T {
  try {
    return decode(bytes)
  } catch (error) {
    trace.log(unknownBytesLine, bytes)
    throw error
  }
}
