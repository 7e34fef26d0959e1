/** The error classes: one root, and one class for each party at fault. */
import { escapeUnprintable } from './quote.js'

/** Names of system errors, as `errno.h` spells them. */
export type Errno =
  | 'ECONNREFUSED'
  | 'ECONNRESET'
  | 'EEXIST'
  | 'EFAULT'
  | 'EINVAL'
  | 'EIO'
  | 'ENAMETOOLONG'
  | 'ENOENT'
  | 'ENOMEM'
  | 'ENOSPC'
  | 'ENOTCONN'
  | 'ENOTSUP'
  | 'EOVERFLOW'
  | 'EPERM'
  | 'EPROTO'
  | 'ERANGE'
  | 'ESHUTDOWN'
  | 'ETIMEDOUT'
  | (string & {})

/** Stable across releases, unlike the messages. */
export type NbdErrorCode =
  | 'ERR_NBD_USAGE'
  | 'ERR_NBD_STATE'
  | 'ERR_NBD_NEGOTIATION'
  | 'ERR_NBD_SERVER'
  | 'ERR_NBD_PROTOCOL'
  | 'ERR_NBD_TRANSPORT'
  | 'ERR_NBD_CLOSED'

/** The details of a {@link NbdError}. */
export interface NbdErrorDetails {
  /** The corresponding system error, if there is one. */
  readonly errno?: Errno | undefined
  /** The error that caused this one. */
  readonly cause?: unknown
  /** What the user can do about it. The constructor appends it to the message, after a colon. */
  readonly hint?: string | undefined
  /**
   * Whether the error reports a lost connection: see {@link NbdError.isConnectionLost}.
   * @default false
   */
  readonly isConnectionLost?: boolean | undefined
}

/**
 * The root of all errors of this library.
 *
 * `instanceof` tests a registered symbol instead of the prototype, and therefore works for errors of another copy of the package.
 */
export abstract class NbdError extends Error {
  /** Identifies the class across copies of the package. */
  static readonly brand: symbol = Symbol.for('@nbdjs/NbdError')

  /** Tests the brand, which errors of another copy of the package have too. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass of a user has no brand of its own: test the prototype.
    if (!Object.hasOwn(this, 'brand')) return Function.prototype[Symbol.hasInstance].call(this, value)
    try {
      return typeof value === 'object' && value !== null && this.brand in value
    } catch {
      // A revoked proxy.
      return false
    }
  }

  /** Names the class. Stable across releases. */
  abstract readonly code: NbdErrorCode
  /** The corresponding system error, if there is one. */
  readonly errno: Errno | undefined
  /** What the user can do, if known. The message ends with it. */
  readonly hint: string | undefined
  /**
   * Whether this error reports that the connection ended and the caller did not end it: the server closed or reset it, its
   * process died, a timeout passed, or a transport failed. Then `handle.state` is `dead`, every command in flight and
   * every later command rejects with errno ENOTCONN, and `cause` is the native error if there is one. A new
   * connection may succeed.
   *
   * False for every other error: a dial that failed, an error reply of the server, a wrong argument, an end that the
   * caller asked for with `shutdown()`, `destroy()` or a signal.
   */
  readonly isConnectionLost: boolean

  constructor(message: string, details: NbdErrorDetails = {}) {
    const { errno, hint, isConnectionLost = false } = details
    // Texts of a peer are quoted where the message is made. This covers the rest: addresses and errors of a transport, and
    // errors of other code.
    super(
      escapeUnprintable(
        hint === undefined || message.endsWith(hint) ? message : `${message}: ${hint}`,
        Number.POSITIVE_INFINITY,
      ),
      'cause' in details ? { cause: details.cause } : undefined,
    )
    this.errno = errno
    this.hint = hint
    this.isConnectionLost = isConnectionLost
  }
}

/** An argument or an option is invalid. Nothing was sent. `errno` is EINVAL unless given. */
export class NbdUsageError extends NbdError {
  /** Identifies the class across copies of the package. */
  static override readonly brand: symbol = Symbol.for('@nbdjs/NbdUsageError')
  /** Always `ERR_NBD_USAGE`. */
  readonly code = 'ERR_NBD_USAGE'

  constructor(message: string, details: NbdErrorDetails = {}) {
    super(message, { ...details, errno: details.errno ?? 'EINVAL' })
  }
}

/** The call is not legal in the current state of the handle. Nothing was sent, and the handle is unchanged. */
export class NbdStateError extends NbdError {
  /** Identifies the class across copies of the package. */
  static override readonly brand: symbol = Symbol.for('@nbdjs/NbdStateError')
  /** Always `ERR_NBD_STATE`. */
  readonly code = 'ERR_NBD_STATE'
}

/** The details of a {@link NbdNegotiationError}. */
export interface NbdNegotiationErrorDetails extends NbdErrorDetails {
  /** The rejected option: `NBD_OPT_GO`. */
  readonly option?: string | undefined
  /** The server's reply: `NBD_REP_ERR_UNKNOWN`. */
  readonly reply?: string | undefined
  /** The server's message, if it sent one. */
  readonly serverMessage?: string | undefined
}

/** The handshake failed: the server rejected an option, or lacks a required feature. */
export class NbdNegotiationError extends NbdError {
  /** Identifies the class across copies of the package. */
  static override readonly brand: symbol = Symbol.for('@nbdjs/NbdNegotiationError')
  /** Always `ERR_NBD_NEGOTIATION`. */
  readonly code = 'ERR_NBD_NEGOTIATION'
  /** The option that was rejected: `NBD_OPT_GO`. */
  readonly option: string | undefined
  /** The server's reply: `NBD_REP_ERR_UNKNOWN`. */
  readonly reply: string | undefined
  /** The server's message, if it sent one. */
  readonly serverMessage: string | undefined

  constructor(message: string, details: NbdNegotiationErrorDetails = {}) {
    super(message, details)
    this.option = details.option
    this.reply = details.reply
    this.serverMessage = details.serverMessage
  }
}

/** The details of a {@link NbdServerError}. */
export interface NbdServerErrorDetails extends NbdErrorDetails {
  /** The system error that corresponds to the error number. */
  readonly errno: Errno
  /** The command that failed: `pread`. */
  readonly command: string
  /** The offset of the command, in bytes from the start of the export. */
  readonly offset: bigint
  /** The length of the command in bytes. */
  readonly length: bigint
  /** The offset of the failure, if the server reported it (NBD_REPLY_TYPE_ERROR_OFFSET). */
  readonly errorOffset?: bigint | undefined
  /** The server's message, if it sent one. */
  readonly serverMessage?: string | undefined
  /** The error number of the reply. */
  readonly serverErrno: number
}

/** The server answered a command with an error. The connection and other commands continue. */
export class NbdServerError extends NbdError {
  /** Identifies the class across copies of the package. */
  static override readonly brand: symbol = Symbol.for('@nbdjs/NbdServerError')
  /** Always `ERR_NBD_SERVER`. */
  readonly code = 'ERR_NBD_SERVER'
  /** The command that failed: `pread`. */
  readonly command: string
  /** The offset of the command, in bytes from the start of the export. */
  readonly offset: bigint
  /** The length of the command in bytes. */
  readonly length: bigint
  /** The offset of the failure, if the server reported it. */
  readonly errorOffset: bigint | undefined
  /** The server's message, if it sent one. */
  readonly serverMessage: string | undefined
  /**
   * The error number as the server sent it, 1 to 2^32 - 1. The specification defines some ("Error values"); for any other
   * number `errno` is EINVAL.
   */
  readonly serverErrno: number

  constructor(message: string, details: NbdServerErrorDetails) {
    super(message, details)
    this.command = details.command
    this.offset = details.offset
    this.length = details.length
    this.errorOffset = details.errorOffset
    this.serverMessage = details.serverMessage
    this.serverErrno = details.serverErrno
  }
}

/** The details of a {@link NbdProtocolError}. */
export interface NbdProtocolErrorDetails extends NbdErrorDetails {
  /** What the specification requires at this point. */
  readonly expected?: string | undefined
  /** What the peer sent. */
  readonly received?: string | undefined
}

/** The peer violated the protocol. `errno` is EPROTO unless given. */
export class NbdProtocolError extends NbdError {
  /** Identifies the class across copies of the package. */
  static override readonly brand: symbol = Symbol.for('@nbdjs/NbdProtocolError')
  /** Always `ERR_NBD_PROTOCOL`. */
  readonly code = 'ERR_NBD_PROTOCOL'
  /** What the specification requires at this point. */
  readonly expected: string | undefined
  /** What the peer sent. */
  readonly received: string | undefined

  constructor(message: string, details: NbdProtocolErrorDetails = {}) {
    super(message, { ...details, errno: details.errno ?? 'EPROTO' })
    this.expected = details.expected
    this.received = details.received
  }
}

/** The details of a {@link NbdTransportError}. */
export interface NbdTransportErrorDetails extends NbdErrorDetails {
  /** The operation that failed: `dial`, `read`, `write`, `close`. */
  readonly operation: string
  /** The transport's address. */
  readonly address: string
}

/** The transport failed: the dial failed, the connection was lost, or a timeout passed. */
export class NbdTransportError extends NbdError {
  /** Identifies the class across copies of the package. */
  static override readonly brand: symbol = Symbol.for('@nbdjs/NbdTransportError')
  /** Always `ERR_NBD_TRANSPORT`. */
  readonly code = 'ERR_NBD_TRANSPORT'
  /** The operation that failed: `dial`, `read`, `write`, `close`. */
  readonly operation: string
  /** The transport's address. */
  readonly address: string

  constructor(message: string, details: NbdTransportErrorDetails) {
    super(message, details)
    this.operation = details.operation
    this.address = details.address
  }
}

/**
 * The command was too late: the connection was shut down or destroyed before the reply, or lost before the call. `errno` is ENOTCONN unless given.
 */
export class NbdClosedError extends NbdError {
  /** Identifies the class across copies of the package. */
  static override readonly brand: symbol = Symbol.for('@nbdjs/NbdClosedError')
  /** Always `ERR_NBD_CLOSED`. */
  readonly code = 'ERR_NBD_CLOSED'

  constructor(message: string, details: NbdErrorDetails = {}) {
    super(message, { ...details, errno: details.errno ?? 'ENOTCONN' })
  }
}

/**
 * The message of what a transport or a callback threw or passed, which need not be an Error: on one line, cut after 1024
 * characters. Never throws.
 */
export function messageOf(cause: unknown): string {
  try {
    const { message } = Object(cause) as Partial<Error>
    return escapeUnprintable(typeof message === 'string' ? message : String(cause))
  } catch {
    return 'an object'
  }
}

/** The system error of an error: its `errno`, or otherwise its `code`, as in errors of Node. Never throws. */
export function errnoOf(error: unknown): Errno | undefined {
  try {
    const { errno, code } = Object(error) as { readonly errno?: unknown; readonly code?: unknown }
    return [errno, code].find(
      (name): name is Errno => typeof name === 'string' && /^E(?!RR_)[A-Z0-9]+$/.test(name),
    )
  } catch {
    return undefined
  }
}

// Keyed by name, because a bundler may shorten the name of a class but not a key.
const classes = {
  NbdError,
  NbdUsageError,
  NbdStateError,
  NbdNegotiationError,
  NbdServerError,
  NbdProtocolError,
  NbdTransportError,
  NbdClosedError,
}

for (const [name, { prototype, brand }] of Object.entries(classes)) {
  Object.defineProperty(prototype, brand, { value: true })
  Object.defineProperty(prototype, 'name', { value: name, configurable: true, writable: true })
}
