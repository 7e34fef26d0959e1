import { NbdUsageError } from '../errors.js'
import type { Transport } from '../transport.js'
import { CommandFlag } from '../wire/flags.js'
import { type U64, u64 } from '../wire/u64.js'

/** What goes by name with every command. */
export interface CommandOptions {
  /** Rejects the promise at once with the signal's reason; the connection and other commands live on. */
  readonly signal?: AbortSignal | undefined
}

/** The flags of all commands by name. Which of them a command takes is in command-rules.ts. */
export const flagOf: Readonly<Record<string, number>> = {
  fua: CommandFlag.Fua,
  noHole: CommandFlag.NoHole,
  df: CommandFlag.Df,
  reqOne: CommandFlag.ReqOne,
  fastZero: CommandFlag.FastZero,
}

/** Options of a command, taken apart. */
export interface ParsedCommandOptions {
  /** CommandFlag bits. */
  readonly flags: number
  readonly signal: AbortSignal | undefined
}

const none: ParsedCommandOptions = { flags: 0, signal: undefined }

export function parseCommandOptions(command: string, options: unknown): ParsedCommandOptions {
  if (options === undefined) return none
  if (typeof options !== 'object' || options === null) throw wrong(command, 'options', 'an object', options)
  let flags = 0
  let signal: AbortSignal | undefined
  for (const [name, value] of Object.entries(options)) {
    if (name === 'signal') signal = checkSignal(command, value)
    else flags |= parseFlag(command, name, value)
  }
  return { flags, signal }
}

function parseFlag(command: string, name: string, value: unknown): number {
  const flag = Object.hasOwn(flagOf, name) ? flagOf[name] : undefined
  if (flag === undefined) throw new NbdUsageError(`${command}: unknown option ${JSON.stringify(name)}`)
  if (value !== undefined && typeof value !== 'boolean') throw wrong(command, name, 'a boolean', value)
  return value === true ? flag : 0
}

export function checkSignal(call: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  const isSignal =
    typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value
  if (!isSignal) throw wrong(call, 'signal', 'an AbortSignal', value)
  return value as AbortSignal
}

/** The options of a call that takes no flags: an object with known names only. */
export function parseOptionBag(
  call: string,
  options: unknown,
  known: readonly string[],
): Record<string, unknown> {
  if (options === undefined) return {}
  if (typeof options !== 'object' || options === null) throw wrong(call, 'options', 'an object', options)
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined) throw new NbdUsageError(`${call}: unknown option ${JSON.stringify(unknown)}`)
  return options as Record<string, unknown>
}

export function checkBoolean(call: string, name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw wrong(call, name, 'a boolean', value)
  return value
}

export function checkTransport(transport: unknown): asserts transport is Transport {
  const isTransport =
    typeof transport === 'object' &&
    transport !== null &&
    'dial' in transport &&
    typeof transport.dial === 'function' &&
    'address' in transport &&
    typeof transport.address === 'string'
  if (!isTransport) {
    throw wrong('connect', 'transport', "a Transport, such as tcp('localhost') makes one", transport)
  }
}

/** A position in the export, canonical: a number wherever it is a safe integer. */
export function checkOffset(command: string, offset: unknown): U64 {
  if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0) return offset
  if (typeof offset === 'bigint' && offset >= 0n && offset < 2n ** 63n) return u64(offset)
  throw wrong(command, 'offset', 'a safe integer or a bigint from 0 to 2^63-1', offset)
}

export function checkLength(command: string, length: unknown): number {
  if (typeof length === 'number' && Number.isSafeInteger(length) && length >= 0) return length
  if (typeof length === 'bigint' && length >= 0n && length <= Number.MAX_SAFE_INTEGER) return Number(length)
  throw wrong(command, 'length', 'a safe integer from 0 on', length)
}

/** Memory of the caller's: a Uint8Array (a Buffer is one) that is not detached. */
export function checkBytes(command: string, name: string, bytes: unknown): Uint8Array {
  // By tag and not by instanceof: the array may come from another realm.
  if (!ArrayBuffer.isView(bytes) || Object.prototype.toString.call(bytes) !== '[object Uint8Array]') {
    throw wrong(command, name, 'a Uint8Array', bytes)
  }
  if (bytes.byteLength === 0 && isDetached(bytes.buffer)) {
    throw new NbdUsageError(
      `${command}: ${name}: the memory was detached: it was transferred to somebody else`,
    )
  }
  return bytes as Uint8Array
}

function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

function wrong(call: string, name: string, expected: string, received: unknown): NbdUsageError {
  return new NbdUsageError(`${call}: ${name}: expected ${expected}, received ${show(received)}`)
}

function show(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return `${value}n`
    case 'string':
      return JSON.stringify(value)
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : Object.prototype.toString.call(value).slice(8, -1)
    default:
      return String(value)
  }
}
