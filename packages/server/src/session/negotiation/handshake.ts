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
import type { Input } from '../input.js'
import type { Output } from '../output.js'
import type { Phase } from '../phase.js'
import { haggle, type NegotiationState, type Next } from './negotiation-state.js'
import { handleExportName } from './opt-go.js'
import { findOptionHandler } from './option-handlers.js'

export interface HandshakeOptions {
  readonly input: Input
  readonly output: Output
  readonly negotiation: NegotiationState
  /** Options that a client may send. */
  readonly maxOptions: number
  /** NBD_OPT_STARTTLS was acknowledged: upgrades the connection and then calls `tlsStarted()`. */
  readonly startTls: () => void
  /** Called once, at the end. */
  readonly agreed: (agreement: HandshakeResult) => void
}

/** The first phase: leads the bytes through `negotiate`. */
export class Handshake implements Phase {
  readonly #options: HandshakeOptions
  readonly #negotiation: HandshakeSteps<HandshakeResult>
  #needed = 0
  #isAwaitingTls = false

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#negotiation = negotiate(options.negotiation, options.maxOptions)
  }

  /**
   * Stops while the client does not take its replies, so that it cannot have more and more of them made: a
   * client waits for the reply before it sends its next option ("Fixed newstyle negotiation").
   */
  advance(): void {
    const { input, output } = this.#options
    if (this.#isAwaitingTls) {
      this.#requireSilence()
      return
    }
    while (!output.isBlocked && input.available >= this.#needed) {
      const step = this.#negotiation.next(input.take(this.#needed))
      output.flush()
      if (step.done) {
        this.#options.agreed(step.value)
        return
      }
      if (step.value === TLS_STARTED) {
        this.#awaitTls()
        return
      }
      this.#needed = step.value
      input.reserve(this.#needed)
    }
    if (output.isBlocked && input.isFull) {
      throw new NbdProtocolError(
        `handshake: the client sent another ${input.available} bytes without taking the replies that it asked for`,
      )
    }
  }

  drained(): void {
    this.advance()
  }

  /** TLS is on: the next bytes are encrypted. */
  tlsStarted(): void {
    this.#isAwaitingTls = false
    this.#needed = 0
    this.advance()
  }

  /** A client may hang up whenever it sees no reason to go on, but not in the middle of a message. */
  ended(): void {
    const { available } = this.#options.input
    if (available > 0 && !this.#options.output.isBlocked) {
      throw new NbdProtocolError(
        `handshake: the client hung up in the middle of a message: expected ${this.#needed} bytes, received ${available}`,
        { expected: `${this.#needed} bytes`, received: `${available} bytes` },
      )
    }
    this.#options.agreed({ kind: 'close' })
  }

  shutdown(): void {
    this.#options.negotiation.isShuttingDown = true
  }

  abandon(): void {}

  #awaitTls(): void {
    this.#isAwaitingTls = true
    this.#requireSilence()
    this.#options.startTls()
  }

  /** Whoever speaks in plaintext now need not be the client (CVE-2021-3716). */
  #requireSilence(): void {
    const { available } = this.#options.input
    if (available === 0) return
    throw new NbdProtocolError(
      `NBD_OPT_STARTTLS: received ${available} bytes in plaintext behind it: somebody may be tampering with the connection`,
      { expected: 'a TLS handshake', received: `${available} bytes` },
    )
  }
}

/** More data than any option needs: a longer one is answered by NBD_REP_ERR_TOO_BIG, its data skipped. */
export const MAX_OPTION_DATA: number = 64 * 1024
/** More data than is worth skipping: a client that sends it is disconnected. */
export const MAX_SKIPPED_DATA: number = 1024 * 1024
/** Data is skipped in steps, so that it needs no memory. */
const SKIP_STEP = 4096

/** How the handshake ended. */
export type HandshakeResult = Exclude<Next, { readonly kind: 'haggle' | 'startTls' }>

/** What the handshake yields to wait until TLS is on, instead of for bytes. */
export const TLS_STARTED = 'TLS started'

/** It yields how many bytes it needs next and is resumed with these, or {@link TLS_STARTED} and is resumed with none. */
export type HandshakeSteps<T> = Generator<number | typeof TLS_STARTED, T, Uint8Array>

/**
 * The handshake, from the greeting to the way into transmission ("Newstyle negotiation"). Yields how many bytes
 * it needs next, and is resumed with exactly these; they are valid until it yields again.
 *
 * Throws a NbdProtocolError where the client must be disconnected.
 */
export function* negotiate(
  negotiation: NegotiationState,
  maxOptions: number,
): HandshakeSteps<HandshakeResult> {
  const offered = handshakeFlags(negotiation)
  negotiation.send(encodeGreeting(offered))
  const agreed = checkClientFlags(decodeClientFlags(yield CLIENT_FLAGS_LENGTH), offered)
  negotiation.fixedNewstyle = (agreed & HandshakeFlag.FixedNewstyle) !== 0
  negotiation.noZeroes = (agreed & HandshakeFlag.NoZeroes) !== 0

  for (let count = 0; count < maxOptions; count++) {
    const header = decodeOptionHeader(yield OPTION_HEADER_LENGTH)
    const next = yield* answerOption(header, negotiation)
    if (next.kind === 'startTls') {
      yield TLS_STARTED
      negotiation.isEncrypted = true
    } else if (next.kind !== 'haggle') {
      return next
    }
  }
  throw new NbdProtocolError(`handshake: the client sent more than ${maxOptions} options (limits.options)`)
}

function handshakeFlags({ features }: NegotiationState): number {
  const fixedNewstyle = features.fixedNewstyle ? HandshakeFlag.FixedNewstyle : 0
  return fixedNewstyle | (features.noZeroes ? HandshakeFlag.NoZeroes : 0)
}

/** "ServerClient flags": a flag that is unknown, or was not offered, ends the connection. */
function checkClientFlags(flags: number, offered: number): number {
  // `&` makes a signed integer of the upper bit.
  const surplus = (flags & ~offered) >>> 0
  if (surplus === 0) return flags
  throw new NbdProtocolError(
    `client flags: expected at most ${hex(offered)}, which were offered, received ${hex(flags)}`,
    { expected: hex(offered), received: hex(flags) },
  )
}

function* answerOption(header: OptionHeader, negotiation: NegotiationState): HandshakeSteps<Next> {
  const { option, length } = header
  if (length > MAX_SKIPPED_DATA) throw tooLong(header, MAX_SKIPPED_DATA)
  if (option === Opt.ExportName) {
    if (length > MAX_OPTION_DATA) throw tooLong(header, MAX_OPTION_DATA)
    return handleExportName(yield length, negotiation)
  }
  // "Option types": in nonfixed newstyle there is no other, and no way to tell the client.
  if (!negotiation.fixedNewstyle) {
    throw new NbdProtocolError(
      `${optName(option)}: expected NBD_OPT_EXPORT_NAME, because fixed newstyle was not negotiated`,
      { expected: optName(Opt.ExportName), received: optName(option) },
    )
  }
  // "FORCEDTLS mode": whatever it is, and known or not.
  if (negotiation.lacksTls && option !== Opt.StartTls && option !== Opt.Abort) {
    yield* skip(length)
    negotiation.refuse(option, Rep.ErrTlsReqd, `${optName(option)}: this server requires TLS`)
    return haggle
  }
  // "NOTLS mode": without a provider there is no such option.
  const isUnknown = option === Opt.StartTls && negotiation.tls === 'off'
  const row = isUnknown ? undefined : findOptionHandler(option, negotiation.features)
  if (row === undefined) {
    yield* skip(length)
    negotiation.refuse(option, Rep.ErrUnsup, `${optName(option)}: this server does not know the option`)
    return haggle
  }
  row.undo?.(negotiation)
  if (length > MAX_OPTION_DATA) {
    yield* skip(length)
    const text = `${optName(option)}: expected at most ${MAX_OPTION_DATA} bytes of data, received ${length}`
    negotiation.refuse(option, Rep.ErrTooBig, text)
    return haggle
  }
  const data = yield length
  if (negotiation.isShuttingDown && option !== Opt.Abort) {
    negotiation.refuse(option, Rep.ErrShutdown, 'the server is being shut down')
    return haggle
  }
  try {
    return row.answer(option, data, negotiation)
  } catch (error) {
    if (!(error instanceof NbdProtocolError)) throw error
    negotiation.refuse(option, Rep.ErrInvalid, error.message)
    return haggle
  }
}

function* skip(length: number): HandshakeSteps<void> {
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
