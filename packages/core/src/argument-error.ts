import { type NbdErrorDetails, NbdUsageError } from './errors.js'
import { escapeUnprintable, quote } from './quote.js'

/** The longest string of the caller that a message shows, in UTF-16 code units. */
const MAX_SHOWN = 64

/** How {@link formatValue} formats a value. */
export interface FormatValueOptions {
  /**
   * Whether the value may be a secret: its type is shown and nothing else of it.
   * @default false
   */
  readonly secret?: boolean | undefined
}

/** Further details of {@link argumentError}. */
export interface ArgumentErrorDetails extends NbdErrorDetails, FormatValueOptions {
  /** Replaces the text for the value: `a path of 200 bytes`. The default is {@link formatValue} of the value. */
  readonly receivedText?: string | undefined
}

/**
 * Makes the error for a wrong argument or option, with the message `CALL: ARGUMENT: expected E, received V`.
 *
 * @param call The function that was called: `tcp`.
 * @param argument The argument, or the dotted path of the option: `port`, `limits.connections`.
 * @param expected What is allowed: `an integer from 1 to 65535`.
 * @param received The value that was passed.
 * @param details The errno (EINVAL unless given), a cause, and how the value is shown.
 * @returns The error, for the caller to throw.
 * @example
 * ```ts
 * // tcp: port: expected an integer from 1 to 65535, received 70000
 * throw argumentError('tcp', 'port', 'an integer from 1 to 65535', 70000)
 * ```
 */
export function argumentError(
  call: string,
  argument: string,
  expected: string,
  received: unknown,
  details: ArgumentErrorDetails = {},
): NbdUsageError {
  const { receivedText = formatValue(received, details) } = details
  return new NbdUsageError(`${call}: ${argument}: expected ${expected}, received ${receivedText}`, details)
}

/**
 * Makes the error for an option that does not exist, with the message
 * `CALL: unknown option 'x', expected one of a, b`.
 *
 * @param call The function that was called: `connect`.
 * @param name The dotted path of the option that was passed: `limits.foo`.
 * @param known The names of the options that exist there.
 * @returns The error, for the caller to throw. Its errno is EINVAL.
 */
export function unknownOptionError(call: string, name: string, known: readonly string[]): NbdUsageError {
  const text = escapeUnprintable(name, MAX_SHOWN)
  return new NbdUsageError(`${call}: unknown option '${text}', expected one of ${known.join(', ')}`)
}

/**
 * Formats a value of the caller for a message: primitives as they are written in JavaScript, objects by their type. Never
 * throws, whatever the value is.
 *
 * @param value Any value.
 * @param options Whether the value may be a secret.
 * @returns For example `70000`, `5n`, `"text"`, `undefined`, `a function`, `Array`; `a string` for a secret.
 */
export function formatValue(value: unknown, options: FormatValueOptions = {}): string {
  switch (typeof value) {
    case 'undefined':
      return 'undefined'
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : typeName(value)
    default:
      return options.secret === true ? `a ${typeof value}` : primitive(value)
  }
}

function primitive(value: unknown): string {
  if (typeof value === 'string') return quote(value, MAX_SHOWN)
  if (typeof value === 'bigint') return `${value}n`
  return escapeUnprintable(String(value), MAX_SHOWN)
}

/** The name of an object's type: `Array`, `AbortSignal`. */
function typeName(value: object): string {
  try {
    return escapeUnprintable(Object.prototype.toString.call(value).slice(8, -1), MAX_SHOWN)
  } catch {
    // A revoked proxy, or a Symbol.toStringTag that throws.
    return 'an object'
  }
}
