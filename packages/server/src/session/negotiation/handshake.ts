import { NbdProtocolError, quote } from '@nbdjs/core'
import {
  CLIENT_FLAGS_LENGTH,
  decodeClientFlags,
  decodeOptionHeader,
  encodeGreeting,
  HandshakeFlag,
  OPTION_HEADER_LENGTH,
  Opt,
  type OptionHeader,
  optName,
  Rep,
} from '@nbdjs/core/wire'
import { hex } from '../../bytes.js'
import type { Input } from '../input.js'
import type { Output } from '../output.js'
import type { Phase } from '../phase.js'
import { type NegotiationState, type NextStep, nextOption, type OptionHandler } from './negotiation-state.js'
import { handleExportName } from './opt-go.js'
import { findOptionHandler } from './option-handlers.js'

/** The most data of an option. A longer option is answered with NBD_REP_ERR_TOO_BIG, and its data is skipped. */
export const MAX_OPTION_DATA: number = 64 * 1024
/** The most data that is skipped. A client that sends a longer option is disconnected. */
export const MAX_SKIPPED_DATA: number = 1024 * 1024
/** Data is skipped in steps of this size, and therefore needs no memory. */
const SKIP_STEP = 4096

/** The result of the handshake. */
export type HandshakeResult = Extract<NextStep, { readonly kind: 'transmit' | 'close' }>

/** The bytes that the handshake waits for. */
interface AwaitedBytes {
  readonly length: number
  /** For messages: `the client flags`. */
  readonly what: string
  /** Whether they begin a message. Between messages a client may wait, or hang up. */
  readonly beginsMessage?: true
}

/** Yielded to wait until TLS is active, instead of for bytes. */
const TLS_STARTED = 'TLS started'

/** Yields the bytes that it needs and is resumed with them, or {@link TLS_STARTED} and is resumed with none. */
type HandshakeSteps<T> = Generator<AwaitedBytes | typeof TLS_STARTED, T, Uint8Array>

/** The options of a {@link Handshake}. */
export interface HandshakeOptions {
  readonly input: Input
  readonly output: Output
  readonly negotiation: NegotiationState
  /** The most options of one client. */
  readonly maxOptions: number
  /** NBD_OPT_STARTTLS was acknowledged: upgrades the connection and then calls `tlsStarted()`. */
  readonly startTls: () => void
  /** Called once, at the end. */
  readonly finished: (result: HandshakeResult) => void
}

/** The first phase: passes the bytes that arrive to the steps of the handshake. */
export class Handshake implements Phase {
  readonly #options: HandshakeOptions
  readonly #steps: HandshakeSteps<HandshakeResult>
  #awaited: AwaitedBytes = { length: 0, what: '' }
  #isAwaitingTls = false
  #progress = 0

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#steps = handshake(options.negotiation, options.maxOptions)
  }

  get isMidMessage(): boolean {
    if (this.#isAwaitingTls) return false
    const { available } = this.#options.input
    const { length, beginsMessage } = this.#awaited
    return available < length && (available > 0 || beginsMessage !== true)
  }

  get progress(): number {
    return this.#progress
  }

  get awaited(): string {
    if (this.#isAwaitingTls) return 'the TLS handshake'
    if (this.#options.output.isBlocked) return 'the client to take its replies'
    return this.#awaited.what
  }

  /**
   * Stops while the client does not take its replies, which bounds the replies in memory: a client waits for the reply
   * before it sends its next option ("Fixed newstyle negotiation").
   */
  advance(): void {
    const { input, output } = this.#options
    if (this.#isAwaitingTls) {
      this.#rejectPlaintext()
      return
    }
    while (!output.isBlocked && input.available >= this.#awaited.length) {
      const step = this.#steps.next(input.take(this.#awaited.length))
      output.flush()
      if (step.done) {
        this.#options.finished(step.value)
        return
      }
      if (step.value === TLS_STARTED) {
        this.#awaitTls()
        return
      }
      this.#awaited = step.value
      if (step.value.beginsMessage) this.#progress++
      input.reserve(step.value.length)
    }
    this.#checkBacklog()
  }

  #checkBacklog(): void {
    const { input, output } = this.#options
    if (!output.isBlocked || !input.isFull) return
    throw new NbdProtocolError(
      `handshake: the client sent ${input.available} bytes of further options without taking the replies`,
    )
  }

  drained(): void {
    this.advance()
  }

  /** TLS is active: the next bytes are encrypted. */
  tlsStarted(): void {
    this.#isAwaitingTls = false
    this.#awaited = { length: 0, what: '' }
    this.advance()
  }

  /** A client may hang up at any time, except within a message. */
  ended(): void {
    const { available } = this.#options.input
    if (available > 0 && !this.#options.output.isBlocked) {
      const { length, what } = this.#awaited
      throw new NbdProtocolError(
        `handshake: the client hung up within a message: expected ${what} of ${length} bytes, received ${available}`,
        { expected: `${length} bytes`, received: `${available} bytes` },
      )
    }
    this.#options.finished({ kind: 'close' })
  }

  shutdown(): void {
    this.#options.negotiation.isShuttingDown = true
  }

  abandon(): void {}

  #awaitTls(): void {
    this.#isAwaitingTls = true
    this.#rejectPlaintext()
    this.#options.startTls()
  }

  /** Plaintext after the reply to NBD_OPT_STARTTLS may come from an active attacker (CVE-2021-3716). */
  #rejectPlaintext(): void {
    const { available } = this.#options.input
    if (available === 0) return
    throw new NbdProtocolError(
      `NBD_OPT_STARTTLS: received ${available} bytes in plaintext after it: possibly an active attack`,
      { expected: 'a TLS handshake', received: `${available} bytes` },
    )
  }
}

/**
 * The handshake, from the greeting to the selection of an export ("Newstyle negotiation"). The bytes that it is resumed
 * with are valid until it yields again.
 *
 * Throws a NbdProtocolError if the client must be disconnected.
 */
function* handshake(negotiation: NegotiationState, maxOptions: number): HandshakeSteps<HandshakeResult> {
  const offered = handshakeFlags(negotiation)
  negotiation.send(encodeGreeting(offered))
  const flags = yield { length: CLIENT_FLAGS_LENGTH, what: 'the client flags', beginsMessage: true }
  const agreed = checkClientFlags(flags, offered)
  negotiation.fixedNewstyle = (agreed & HandshakeFlag.FixedNewstyle) !== 0
  negotiation.noZeroes = (agreed & HandshakeFlag.NoZeroes) !== 0

  for (let count = 0; count < maxOptions; count++) {
    const header = yield { length: OPTION_HEADER_LENGTH, what: 'an option', beginsMessage: true }
    const next = yield* answerOption(decodeOptionHeader(header), negotiation)
    if (next.kind === 'startTls') {
      yield TLS_STARTED
      negotiation.isEncrypted = true
    } else if (next.kind !== 'nextOption') {
      return next
    }
  }
  throw new NbdProtocolError(`handshake: the client sent more than ${maxOptions} options (limits.options)`)
}

function handshakeFlags({ features }: NegotiationState): number {
  const fixedNewstyle = features.fixedNewstyle ? HandshakeFlag.FixedNewstyle : 0
  return fixedNewstyle | (features.noZeroes ? HandshakeFlag.NoZeroes : 0)
}

/** "Client flags": a flag that is unknown, or was not offered, ends the connection. */
function checkClientFlags(bytes: Uint8Array, offered: number): number {
  const flags = decodeClientFlags(bytes)
  // `>>>` because `&` makes a signed integer of the upper bit.
  if ((flags & ~offered) >>> 0 === 0) return flags
  const received = `${hex(flags)}${asText(bytes)}`
  throw new NbdProtocolError(
    `client flags: expected at most ${hex(offered)}, the flags that were offered, received ${received}`,
    { expected: hex(offered), received: hex(flags) },
  )
}

/** A client of another protocol may be recognised by its first bytes: ` ("GET ")`. */
function asText(bytes: Uint8Array): string {
  const isPrintable = bytes.every((byte) => byte >= 0x20 && byte < 0x7f)
  return isPrintable ? ` (${quote(String.fromCharCode(...bytes))})` : ''
}

/** An error reply to an option whose data is skipped. */
interface Rejection {
  readonly reply: Rep
  readonly text: string
}

function* answerOption(header: OptionHeader, negotiation: NegotiationState): HandshakeSteps<NextStep> {
  const { option, length } = header
  checkOptionHeader(header, negotiation)
  if (option === Opt.ExportName) return handleExportName(yield dataOf(header), negotiation)
  const handler = offeredHandler(option, negotiation)
  handler?.reset?.(negotiation)
  const rejection = rejectBeforeData(header, handler, negotiation)
  if (rejection !== undefined || handler === undefined) {
    yield* skip(length, option)
    if (rejection !== undefined) negotiation.replyError(option, rejection.reply, rejection.text)
    return nextOption
  }
  return handleOption(handler, option, yield dataOf(header), negotiation)
}

/** Throws if the client must be disconnected, because no reply is possible or the data is too long to skip. */
function checkOptionHeader({ option, length }: OptionHeader, { fixedNewstyle }: NegotiationState): void {
  const limit = option === Opt.ExportName ? MAX_OPTION_DATA : MAX_SKIPPED_DATA
  if (length > limit) {
    throw new NbdProtocolError(
      `${optName(option)}: expected at most ${limit} bytes of data, received ${length}`,
      { expected: `at most ${limit} bytes`, received: `${length} bytes` },
    )
  }
  // "Option types": plain newstyle has no other option, and no error replies.
  if (option !== Opt.ExportName && !fixedNewstyle) {
    throw new NbdProtocolError(
      `${optName(option)}: expected NBD_OPT_EXPORT_NAME, because fixed newstyle was not negotiated`,
      { expected: optName(Opt.ExportName), received: optName(option) },
    )
  }
}

/** The handler of an option, unless it must not be used: "FORCEDTLS mode" and "NOTLS mode". */
function offeredHandler(option: number, negotiation: NegotiationState): OptionHandler | undefined {
  const { lacksTls, tls, features } = negotiation
  if (lacksTls && option !== Opt.StartTls && option !== Opt.Abort) return undefined
  if (tls === 'off' && option === Opt.StartTls) return undefined
  return findOptionHandler(option, features)
}

/** The error reply to an option whose data is of no interest. */
function rejectBeforeData(
  { option, length }: OptionHeader,
  handler: OptionHandler | undefined,
  { lacksTls, isShuttingDown }: NegotiationState,
): Rejection | undefined {
  const name = optName(option)
  if (handler === undefined && lacksTls) {
    return { reply: Rep.ErrTlsReqd, text: `${name}: this server requires TLS` }
  }
  if (handler === undefined) return { reply: Rep.ErrUnsup, text: `${name}: this server does not support it` }
  if (length > MAX_OPTION_DATA) {
    const text = `${name}: expected at most ${MAX_OPTION_DATA} bytes of data, received ${length}`
    return { reply: Rep.ErrTooBig, text }
  }
  if (isShuttingDown && option !== Opt.Abort) {
    return { reply: Rep.ErrShutdown, text: 'the server is being shut down' }
  }
  if (handler.hasNoData && length > 0) {
    return { reply: Rep.ErrInvalid, text: `${name}: expected no data, received ${length} bytes` }
  }
  return undefined
}

function handleOption(
  handler: OptionHandler,
  option: number,
  data: Uint8Array,
  negotiation: NegotiationState,
): NextStep {
  try {
    return handler.handle(option, data, negotiation)
  } catch (error) {
    if (!(error instanceof NbdProtocolError)) throw error
    negotiation.replyError(option, Rep.ErrInvalid, error.message)
    return nextOption
  }
}

function* skip(length: number, option: number): HandshakeSteps<void> {
  for (let remaining = length; remaining > 0; remaining -= SKIP_STEP) {
    yield dataOf({ option, length: Math.min(remaining, SKIP_STEP) })
  }
}

function dataOf({ option, length }: OptionHeader): AwaitedBytes {
  return { length, what: `the data of ${optName(option)}` }
}
