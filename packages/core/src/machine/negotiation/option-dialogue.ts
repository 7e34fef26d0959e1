import { type Errno, NbdNegotiationError, NbdProtocolError } from '../../errors.js'
import { isErrorReply, optName, Rep, repName } from '../../wire/option.js'
import {
  decodeErrorText,
  decodeOptionReplyHeader,
  OPTION_REPLY_HEADER_LENGTH,
  type OptionReplyHeader,
} from '../../wire/option-reply.js'
import { encodeOption } from '../../wire/option-request.js'
import { MAX_STRING_BYTES } from '../../wire/text.js'
import type { Limits } from '../limits.js'
import { optionLine, optionReplyLine } from '../trace/handshake-lines.js'
import type { Negotiation } from './negotiation.js'
import type { Reading } from './reading.js'
import { understand } from './understand.js'

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
  negotiation.tally.chunksSent++
  negotiation.awaited = `the reply to ${optName(option)}`
  negotiation.trace.tell(optionLine, option, data)
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
): Reading<OptionReply> {
  const { limits, trace } = negotiation
  const header = understand(trace, yield OPTION_REPLY_HEADER_LENGTH, decodeOptionReplyHeader)
  const violation = violationOf(header, option, expected, limits)
  if (violation !== undefined) {
    trace.tell(optionReplyLine, header, undefined)
    throw violation
  }
  const { reply, length } = header
  const data = length === 0 ? NO_DATA : yield length
  trace.tell(optionReplyLine, header, data)
  if (isErrorReply(reply)) throw refusal(option, reply, data)
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
    return unexpected(option, `a reply to ${optName(option)}`, `a reply to ${optName(header.option)}`)
  if (!isErrorReply(reply) && reply !== Rep.Ack && reply !== expected) {
    const wanted = expected === undefined ? 'NBD_REP_ACK' : `${repName(expected)} or NBD_REP_ACK`
    return unexpected(option, wanted, repName(reply))
  }
  const maximum = maximumLength(reply, limits)
  if (length <= maximum) return undefined
  return unexpected(option, `${repName(reply)} with at most ${maximum} bytes of data`, `${length} bytes`)
}

/** How much data may come with a reply ("Option reply types"): known before any of it is waited for. */
function maximumLength(reply: number, { optionReplyBytes }: Limits): number {
  if (reply === Rep.Ack) return 0
  return isErrorReply(reply) ? Math.min(MAX_STRING_BYTES, optionReplyBytes) : optionReplyBytes
}

/** Asks for a feature that has no data: true when the server agreed. A refusal takes nothing back. */
export function* acknowledges(negotiation: Negotiation, option: number): Reading<boolean> {
  sendOption(negotiation, option)
  try {
    yield* receiveReply(negotiation, option)
    return true
  } catch (error) {
    if (isTolerable(error)) return false
    throw error
  }
}

/** "Termination of the session during option haggling": after NBD_REP_ERR_SHUTDOWN there is no going on. */
export function isTolerable(error: unknown): boolean {
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
  [Rep.ErrUnknown, 'the server has no such export; list its exports with optList()'],
  [Rep.ErrBlockSizeReqd, 'the server requires its block sizes to be obeyed: leave requestBlockSize on'],
  [Rep.ErrShutdown, 'the server is shutting down'],
])

function refusal(option: number, reply: number, data: Uint8Array): NbdNegotiationError {
  const serverText = data.length === 0 ? undefined : decodeErrorText(data)
  const said = serverText === undefined ? '' : `: ${JSON.stringify(serverText)}`
  const hint = hintOfReply.get(reply)
  return new NbdNegotiationError(
    `${optName(option)}: server replied ${repName(reply)}${said}${hint === undefined ? '' : ` (${hint})`}`,
    {
      errno: errnoOfReply.get(reply) ?? 'ENOTSUP',
      option: optName(option),
      reply: repName(reply),
      serverText,
    },
  )
}

export function unexpected(option: number, expected: string, received: string): NbdProtocolError {
  return new NbdProtocolError(`${optName(option)}: expected ${expected}, received ${received}`, {
    expected,
    received,
  })
}
