import { NbdProtocolError } from '@nbdjs/core'
import {
  CLIENT_FLAGS_LENGTH,
  decodeClientFlags,
  decodeOptionHeader,
  encodeGreeting,
  HandshakeFlag,
  hex,
  OPTION_HEADER_LENGTH,
  Opt,
  type OptionHeader,
  optName,
  Rep,
} from '@nbdjs/core/wire'
import { enterByName } from './export-name.js'
import type { Haggling } from './haggling.js'
import { haggle, type Next } from './option-row.js'
import { optionRow } from './options.js'

/** More data than any option needs: a longer one is answered by NBD_REP_ERR_TOO_BIG, its data skipped. */
export const MAX_OPTION_DATA: number = 64 * 1024
/** More data than is worth skipping: a client that sends it is disconnected. */
export const MAX_SKIPPED_DATA: number = 1024 * 1024
/** Data is skipped in steps, so that it needs no memory. */
const SKIP_STEP = 4096

/** How the handshake ended. */
export type Agreement = Exclude<Next, { readonly kind: 'haggle' | 'startTls' }>

/** What the handshake yields to wait until TLS is on, instead of for bytes. */
export const TLS_STARTED = 'TLS started'

/** It yields how many bytes it needs next and is resumed with these, or {@link TLS_STARTED} and is resumed with none. */
export type Negotiating<T> = Generator<number | typeof TLS_STARTED, T, Uint8Array>

/**
 * The handshake, from the greeting to the way into transmission ("Newstyle negotiation"). Yields how many bytes
 * it needs next, and is resumed with exactly these; they are valid until it yields again.
 *
 * Throws a NbdProtocolError where the client must be disconnected.
 */
export function* negotiate(haggling: Haggling, maxOptions: number): Negotiating<Agreement> {
  const offered = handshakeFlags(haggling)
  haggling.send(encodeGreeting(offered))
  const agreed = checkClientFlags(decodeClientFlags(yield CLIENT_FLAGS_LENGTH), offered)
  haggling.fixedNewstyle = (agreed & HandshakeFlag.FixedNewstyle) !== 0
  haggling.noZeroes = (agreed & HandshakeFlag.NoZeroes) !== 0

  for (let count = 0; count < maxOptions; count++) {
    const header = decodeOptionHeader(yield OPTION_HEADER_LENGTH)
    const next = yield* answerOption(header, haggling)
    if (next.kind === 'startTls') {
      yield TLS_STARTED
      haggling.isEncrypted = true
    } else if (next.kind !== 'haggle') {
      return next
    }
  }
  throw new NbdProtocolError(`handshake: the client sent more than ${maxOptions} options (limits.options)`)
}

function handshakeFlags({ features }: Haggling): number {
  const fixedNewstyle = features.fixedNewstyle ? HandshakeFlag.FixedNewstyle : 0
  return fixedNewstyle | (features.noZeroes ? HandshakeFlag.NoZeroes : 0)
}

/** "Client flags": a flag that is unknown, or was not offered, ends the connection. */
function checkClientFlags(flags: number, offered: number): number {
  // `&` makes a signed integer of the upper bit.
  const surplus = (flags & ~offered) >>> 0
  if (surplus === 0) return flags
  throw new NbdProtocolError(
    `client flags: expected at most ${hex(offered)}, which were offered, received ${hex(flags)}`,
    { expected: hex(offered), received: hex(flags) },
  )
}

function* answerOption(header: OptionHeader, haggling: Haggling): Negotiating<Next> {
  const { option, length } = header
  if (length > MAX_SKIPPED_DATA) throw tooLong(header, MAX_SKIPPED_DATA)
  if (option === Opt.ExportName) {
    if (length > MAX_OPTION_DATA) throw tooLong(header, MAX_OPTION_DATA)
    return enterByName(yield length, haggling)
  }
  // "Option types": in nonfixed newstyle there is no other, and no way to tell the client.
  if (!haggling.fixedNewstyle) {
    throw new NbdProtocolError(
      `${optName(option)}: expected NBD_OPT_EXPORT_NAME, because fixed newstyle was not negotiated`,
      { expected: optName(Opt.ExportName), received: optName(option) },
    )
  }
  // "FORCEDTLS mode": whatever it is, and known or not.
  if (haggling.lacksTls && option !== Opt.StartTls && option !== Opt.Abort) {
    yield* skip(length)
    haggling.refuse(option, Rep.ErrTlsReqd, `${optName(option)}: this server requires TLS`)
    return haggle
  }
  // "NOTLS mode": without a provider there is no such option.
  const isUnknown = option === Opt.StartTls && haggling.tls === 'off'
  const row = isUnknown ? undefined : optionRow(option, haggling.features)
  if (row === undefined) {
    yield* skip(length)
    haggling.refuse(option, Rep.ErrUnsup, `${optName(option)}: this server does not know the option`)
    return haggle
  }
  row.undo?.(haggling)
  if (length > MAX_OPTION_DATA) {
    yield* skip(length)
    const text = `${optName(option)}: expected at most ${MAX_OPTION_DATA} bytes of data, received ${length}`
    haggling.refuse(option, Rep.ErrTooBig, text)
    return haggle
  }
  const data = yield length
  if (haggling.isShuttingDown && option !== Opt.Abort) {
    haggling.refuse(option, Rep.ErrShutdown, 'the server is being shut down')
    return haggle
  }
  try {
    return row.answer(option, data, haggling)
  } catch (error) {
    if (!(error instanceof NbdProtocolError)) throw error
    haggling.refuse(option, Rep.ErrInvalid, error.message)
    return haggle
  }
}

function* skip(length: number): Negotiating<void> {
  for (let remaining = length; remaining > 0; remaining -= SKIP_STEP) yield Math.min(remaining, SKIP_STEP)
}

function tooLong({ option, length }: OptionHeader, limit: number): NbdProtocolError {
  return new NbdProtocolError(
    `${optName(option)}: expected at most ${limit} bytes of data, received ${length}`,
    {
      expected: `at most ${limit} bytes`,
      received: `${length} bytes`,
    },
  )
}
