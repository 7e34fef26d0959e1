import { type Errno, NbdNegotiationError, NbdProtocolError } from '../../errors.js'
import { isErrorReply, optName, Rep, repName } from '../../wire/option.js'
import {
  decodeErrorText,
  decodeOptionReplyHeader,
  OPTION_REPLY_HEADER_LENGTH,
} from '../../wire/option-reply.js'
import { encodeOption } from '../../wire/option-request.js'
import { MAX_STRING_BYTES } from '../../wire/text.js'
import type { Negotiation } from './negotiation.js'
import type { Reading } from './reading.js'

export interface OptionReply {
  readonly reply: number
  /** A view, valid until the next reply is asked for. */
  readonly data: Uint8Array
}

/** Sends an option. The next one waits for its final reply ("Fixed newstyle negotiation"). */
export function sendOption(negotiation: Negotiation, option: number, data?: Uint8Array): void {
  negotiation.optionsSent++
  negotiation.debug(() => `send ${optName(option)}`)
  negotiation.send(encodeOption(option, data))
}

/**
 * The next reply to `option`: one of the `expected` types, or NBD_REP_ACK. An error reply is thrown as a
 * {@link NbdNegotiationError}; anything else breaks the protocol.
 */
export function* receiveReply(
  negotiation: Negotiation,
  option: number,
  expected?: typeof Rep.Server | typeof Rep.Info | typeof Rep.MetaContext,
): Reading<OptionReply> {
  const header = decodeOptionReplyHeader(yield OPTION_REPLY_HEADER_LENGTH)
  const { reply, length } = header
  if (header.option !== option)
    throw unexpected(option, `a reply to ${optName(option)}`, `a reply to ${optName(header.option)}`)
  if (length > negotiation.limits.optionReplyBytes) {
    throw unexpected(
      option,
      `${repName(reply)} of at most ${negotiation.limits.optionReplyBytes} bytes`,
      `${length} bytes`,
    )
  }
  if (reply === Rep.Ack && length > 0)
    throw unexpected(option, 'NBD_REP_ACK without data', `${length} bytes of data`)
  const data = length === 0 ? new Uint8Array(0) : yield length
  negotiation.debug(() => `received ${repName(reply)} to ${optName(option)}, ${length} bytes`)
  if (isErrorReply(reply)) throw refusal(option, reply, data)
  if (reply !== Rep.Ack && reply !== expected) {
    throw unexpected(
      option,
      expected === undefined ? 'NBD_REP_ACK' : `${repName(expected)} or NBD_REP_ACK`,
      repName(reply),
    )
  }
  return { reply, data }
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
  if (data.length > MAX_STRING_BYTES) {
    throw unexpected(option, `an error text of at most ${MAX_STRING_BYTES} bytes`, `${data.length} bytes`)
  }
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
