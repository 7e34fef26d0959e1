import { NbdUsageError } from '../errors.js'
import { checkName, checkQuery } from '../options.js'
import type { Transport } from '../transport.js'
import { CommandFlag } from '../wire/flags.js'
import { type U64, u64 } from '../wire/u64.js'
import { misuse } from './misuse.js'

/** What goes by name with every command. */
export interface CommandOptions {
  /** Rejects the promise at once with the signal's reason; the connection and other commands live on. */
  readonly signal?: AbortSignal | undefined
  /**
   * Further flags as bits (`CommandFlag` of `@nbdjs/core/wire`), from 0 to 65535, for trying out servers: what does not
   * belong to the command is sent with `strict: { flags: false }` only.
   */
  readonly flags?: number | undefined
}

/** The flags of all commands by name. Which of them a command takes is in command-rules.ts. */
export const flagOf: Readonly<Record<string, number>> = {
  fua: CommandFlag.Fua,
  noHole: CommandFlag.NoHole,
  df: CommandFlag.Df,
  reqOne: CommandFlag.ReqOne,
  fastZero: CommandFlag.FastZero,
  payloadLen: CommandFlag.PayloadLen,
}

/** Options of a command, taken apart. */
export interface ParsedCommandOptions {
  /** CommandFlag bits. */
  readonly flags: number
  readonly signal: AbortSignal | undefined
}

const noCommandOptions: ParsedCommandOptions = { flags: 0, signal: undefined }
const namesOfCommandOptions = [...Object.keys(flagOf), 'flags', 'signal']
/** A request has 16 bits for flags ("Request message"). */
const MAX_FLAGS = 0xffff

/** The options of a command: flags by name, and a signal. */
export function parseCommandOptions(command: string, options: unknown): ParsedCommandOptions {
  if (options === undefined) return noCommandOptions
  const { signal, flags: bits, ...wishes } = checkOptions(command, options, namesOfCommandOptions)
  let flags = checkFlags(command, bits)
  for (const [name, wish] of Object.entries(wishes)) {
    if (wish !== undefined && checkBoolean(command, name, wish)) flags |= flagOf[name] as number
  }
  return { flags, signal: checkSignal(command, signal) }
}

function checkFlags(command: string, flags: unknown = 0): number {
  if (typeof flags === 'number' && Number.isInteger(flags) && flags >= 0 && flags <= MAX_FLAGS) return flags
  throw misuse(`${command}: flags`, 'an integer, from 0 to 65535', flags)
}

/** The options of `blockStatus`: the contexts apart from what every command takes. */
export function parseBlockStatusOptions(options: unknown): {
  readonly contexts: readonly string[] | undefined
  /** NBD_CMD_FLAG_REQ_ONE */
  readonly isOne: boolean
  readonly rest: object | undefined
} {
  if (options === undefined) return { contexts: undefined, isOne: false, rest: undefined }
  const { contexts, ...rest } = checkOptions('blockStatus', options, [...namesOfCommandOptions, 'contexts'])
  return {
    contexts: contexts === undefined ? undefined : checkNames('blockStatus', 'contexts', contexts),
    isOne: (parseCommandOptions('blockStatus', rest).flags & CommandFlag.ReqOne) !== 0,
    rest,
  }
}

/** A list of names, each at most 4096 bytes of UTF-8. */
export function checkNames(
  call: string,
  what: string,
  names: unknown,
  check: (where: string, name: unknown) => void = checkName,
): readonly string[] {
  if (!Array.isArray(names)) throw misuse(`${call}: ${what}`, 'an array of strings', names)
  names.forEach((name, index) => {
    check(`${call}: ${what}.${index}`, name)
  })
  return names
}

/** A list of queries for meta contexts. */
export function checkQueries(call: string, queries: unknown): readonly string[] {
  return checkNames(call, 'queries', queries, checkQuery)
}

export function checkFunction(call: string, name: string, value: unknown): void {
  if (typeof value !== 'function') throw misuse(`${call}: ${name}`, 'a function', value)
}

/** The options of a call that takes a signal and nothing else. */
export function parseSignal(call: string, options: unknown = {}): AbortSignal | undefined {
  return checkSignal(call, checkOptions(call, options, ['signal'])['signal'])
}

/** Options of `shutdown`, taken apart. */
export interface ParsedShutdownOptions {
  readonly abandonPending: boolean
  readonly signal: AbortSignal | undefined
}

export function parseShutdownOptions(options: unknown = {}): ParsedShutdownOptions {
  const { signal, abandonPending = false } = checkOptions('shutdown', options, ['abandonPending', 'signal'])
  return {
    abandonPending: checkBoolean('shutdown', 'abandonPending', abandonPending),
    signal: checkSignal('shutdown', signal),
  }
}

function checkOptions(call: string, options: unknown, known: readonly string[]): Record<string, unknown> {
  // A signal in place of the options has no property of its own: it would go unnoticed, and so would an array.
  if (tagOf(options) !== '[object Object]') {
    throw misuse(`${call}: options`, 'an object', options)
  }
  const unknown = Object.keys(options as object).find((name) => !known.includes(name))
  if (unknown === undefined) return options as Record<string, unknown>
  throw new NbdUsageError(`${call}: ${unknown}: unknown option, expected one of ${known.join(', ')}`)
}

function checkSignal(call: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  const isSignal =
    typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value
  if (!isSignal) throw misuse(`${call}: signal`, 'an AbortSignal', value)
  return value as AbortSignal
}

export function checkBoolean(call: string, name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw misuse(`${call}: ${name}`, 'a boolean', value)
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
    throw misuse('connect: transport', "a Transport, such as tcp('localhost') makes one", transport)
  }
}

/** A position in the export, canonical: a number wherever it is a safe integer. */
export function checkOffset(command: string, offset: unknown): U64 {
  if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0) return offset
  if (typeof offset === 'bigint' && offset >= 0n && offset < 2n ** 63n) return u64(offset)
  throw misuse(`${command}: offset`, 'a safe integer or a bigint, from 0 to 2^63-1', offset)
}

export function checkLength(command: string, length: unknown): number {
  if (typeof length === 'number' && Number.isSafeInteger(length) && length >= 0) return length
  throw misuse(`${command}: length`, 'a safe integer, from 0 to 2^53-1', length)
}

/** The length of a range, which may be given as a bigint: it can be longer than any buffer. */
export function checkRangeLength(command: string, length: unknown): number {
  if (typeof length === 'number' && Number.isSafeInteger(length) && length >= 0) return length
  if (typeof length === 'bigint' && length >= 0n && length <= Number.MAX_SAFE_INTEGER) return Number(length)
  throw misuse(`${command}: length`, 'a safe integer or a bigint, from 0 to 2^53-1', length)
}

/** Memory of the caller's: a Uint8Array (a Buffer is one) that is not detached. */
export function checkBytes(command: string, name: string, bytes: unknown): Uint8Array {
  if (!isBytes(bytes)) {
    throw misuse(`${command}: ${name}`, 'a Uint8Array', bytes)
  }
  if (bytes.byteLength === 0 && isDetached(bytes.buffer)) {
    throw new NbdUsageError(
      `${command}: ${name}: its memory was detached: it was transferred to somebody else`,
    )
  }
  return bytes
}

/** Not by instanceof alone, which is the faster: the array may come from another realm. */
function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || (ArrayBuffer.isView(value) && tagOf(value) === '[object Uint8Array]')
}

/** Whether several threads may see these bytes: not every transport takes such memory. */
export function isShared(bytes: Uint8Array): boolean {
  return !(bytes.buffer instanceof ArrayBuffer) && tagOf(bytes.buffer) === '[object SharedArrayBuffer]'
}

function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value)
}
