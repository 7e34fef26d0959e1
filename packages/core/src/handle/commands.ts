import { argumentError, unknownOptionError } from '../argument-error.js'
import { isSignal, reading, tagOf } from '../check-options.js'
import { type Errno, NbdUsageError } from '../errors.js'
import { checkName, checkQuery, type StrictChecks } from '../options.js'
import { type ExportInfo, MAX_PAYLOAD } from '../protocol/export-info.js'
import type { MetaContexts } from '../protocol/session.js'
import type { ReadChunk } from '../protocol/transmission/command.js'
import { ExtentCollector } from '../protocol/transmission/extents.js'
import { quote, quoteList } from '../quote.js'
import type { Transport } from '../transport.js'
import { encodeBlockStatusFilter } from '../wire/block-status.js'
import { hex } from '../wire/bytes.js'
import { Cmd, CommandFlag } from '../wire/constants.js'
import { type U64, u64 } from '../wire/u64.js'
import type { PendingInit } from './pending-command.js'

/** The options of every command. */
export interface CommandOptions {
  /** Gives the command up: its promise rejects with the reason of the signal. The connection and other commands go on. */
  readonly signal?: AbortSignal | undefined
  /**
   * When a command that was given up rejects.
   *
   * - `detach`: at once. A request that was sent may still be carried out, even after later ones were answered.
   * - `settle`: once nothing of the command can happen any more: its reply has arrived, or the connection is closed. A
   *   command that was not sent rejects at once.
   * @default 'detach'
   */
  readonly abort?: 'detach' | 'settle' | undefined
  /**
   * The longest wait for the reply in milliseconds, from 0 to 2147483647; 0 for none. It counts from the call and includes
   * the wait to be sent. Then the command is given up, as by `signal`, and rejects with ETIMEDOUT; the connection goes on.
   * @default timeouts.commandMs of the handle, which ends the connection
   */
  readonly timeoutMs?: number | undefined
  /**
   * Raw flag bits (`CommandFlag` of `@nbdjs/core/wire`), from 0 to 65535, to test servers. Bits that are invalid for the
   * command are sent with `strict: { flags: false }` only.
   */
  readonly flags?: number | undefined
}

/** The flags of all commands by name. Which of them belong to a command: see `rules`. */
export const flagOf: Readonly<Record<string, number>> = {
  fua: CommandFlag.Fua,
  noHole: CommandFlag.NoHole,
  df: CommandFlag.Df,
  reqOne: CommandFlag.ReqOne,
  fastZero: CommandFlag.FastZero,
  payloadLen: CommandFlag.PayloadLen,
}

/** The options of a command, checked. */
export interface ParsedCommandOptions {
  /** CommandFlag bits. */
  readonly flags: number
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number | undefined
  /** The promise may settle before the reply: the memory of the caller must not be lent. */
  readonly detaches: boolean
}

const noCommandOptions: ParsedCommandOptions = {
  flags: 0,
  signal: undefined,
  timeoutMs: undefined,
  detaches: false,
}
const namesOfCommandOptions = [...Object.keys(flagOf), 'flags', 'signal', 'abort', 'timeoutMs']
const abortModes: readonly unknown[] = [undefined, 'detach', 'settle']
/** A longer timer of JavaScript fires at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1
/** A request has 16 bits for flags ("Request message"). */
const MAX_FLAGS = 0xffff

/** The options of a command: flags by name, and a signal. */
export function parseCommandOptions(command: string, options: unknown): ParsedCommandOptions {
  if (options === undefined) return noCommandOptions
  return reading(command, 'options', options, () => readCommandOptions(command, options))
}

function readCommandOptions(command: string, options: unknown): ParsedCommandOptions {
  const {
    signal,
    abort,
    timeoutMs,
    flags: bits,
    ...flagOptions
  } = checkOptions(command, options, namesOfCommandOptions)
  let flags = parseFlags(command, bits)
  for (const [name, value] of Object.entries(flagOptions)) {
    if (value !== undefined && checkBoolean(command, name, value)) flags |= flagOf[name] as number
  }
  if (!abortModes.includes(abort)) throw argumentError(command, 'abort', "one of 'detach', 'settle'", abort)
  const isGivenUp = signal !== undefined || (checkTimeout(command, timeoutMs) ?? 0) > 0
  return {
    flags,
    signal: checkSignal(command, signal),
    timeoutMs: timeoutMs as number | undefined,
    detaches: isGivenUp && abort !== 'settle',
  }
}

function checkTimeout(command: string, timeoutMs: unknown): number | undefined {
  if (timeoutMs === undefined) return undefined
  if (typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs <= MAX_TIMEOUT_MS) return timeoutMs
  throw argumentError(command, 'timeoutMs', `a number of milliseconds from 0 to ${MAX_TIMEOUT_MS}`, timeoutMs)
}

function parseFlags(command: string, flags: unknown = 0): number {
  if (typeof flags === 'number' && Number.isInteger(flags) && flags >= 0 && flags <= MAX_FLAGS) return flags
  throw argumentError(command, 'flags', 'an integer from 0 to 65535', flags)
}

interface ParsedBlockStatusOptions {
  readonly contexts: readonly string[] | undefined
  /** NBD_CMD_FLAG_REQ_ONE */
  readonly isOne: boolean
  readonly rest: object | undefined
}

/** The options of `blockStatus`: the contexts apart from what every command takes. */
export function parseBlockStatusOptions(options: unknown): ParsedBlockStatusOptions {
  if (options === undefined) return { contexts: undefined, isOne: false, rest: undefined }
  return reading('blockStatus', 'options', options, () => readBlockStatusOptions(options))
}

function readBlockStatusOptions(options: unknown): ParsedBlockStatusOptions {
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
  check: (call: string, argument: string, name: unknown) => void = checkName,
): readonly string[] {
  return reading(call, what, names, () => {
    if (!Array.isArray(names)) throw argumentError(call, what, 'an array of strings', names)
    names.forEach((name, index) => {
      check(call, `${what}.${index}`, name)
    })
    return names
  })
}

/** A list of queries for meta contexts. */
export function checkQueries(call: string, queries: unknown): readonly string[] {
  return checkNames(call, 'queries', queries, checkQuery)
}

export function checkFunction(call: string, name: string, value: unknown): void {
  if (typeof value !== 'function') throw argumentError(call, name, 'a function', value)
}

/** The options of a call that takes a signal and nothing else. */
export function parseSignal(call: string, options: unknown = {}): AbortSignal | undefined {
  return reading(call, 'options', options, () =>
    checkSignal(call, checkOptions(call, options, ['signal'])['signal']),
  )
}

/** Options of `shutdown`, taken apart. */
export interface ParsedShutdownOptions {
  readonly abandonPending: boolean
  readonly signal: AbortSignal | undefined
}

export function parseShutdownOptions(options: unknown = {}): ParsedShutdownOptions {
  return reading('shutdown', 'options', options, () => {
    const { signal, abandonPending = false } = checkOptions('shutdown', options, ['abandonPending', 'signal'])
    return {
      abandonPending: checkBoolean('shutdown', 'abandonPending', abandonPending),
      signal: checkSignal('shutdown', signal),
    }
  })
}

function checkOptions(call: string, options: unknown, known: readonly string[]): Record<string, unknown> {
  // A signal in place of the options has no property of its own: it would go unnoticed, and so would an array.
  if (tagOf(options) !== '[object Object]') {
    throw argumentError(call, 'options', 'an object', options)
  }
  const unknown = Object.keys(options as object).find((name) => !known.includes(name))
  if (unknown === undefined) return options as Record<string, unknown>
  throw unknownOptionError(call, unknown, known)
}

function checkSignal(call: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  if (!isSignal(value)) throw argumentError(call, 'signal', 'an AbortSignal', value)
  return value
}

export function checkBoolean(call: string, name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw argumentError(call, name, 'a boolean', value)
  return value
}

export function checkTransport(call: string, transport: unknown): asserts transport is Transport {
  if (!isTransport(transport)) {
    throw argumentError(call, 'transport', "a Transport, such as tcp('localhost')", transport)
  }
}

function isTransport(value: unknown): boolean {
  try {
    return (
      typeof value === 'object' &&
      value !== null &&
      'dial' in value &&
      typeof value.dial === 'function' &&
      'address' in value &&
      typeof value.address === 'string'
    )
  } catch {
    return false
  }
}

/** Checks a position in the export. */
export function checkOffset(command: string, offset: unknown): U64 {
  return checkUnsigned(command, 'offset', offset)
}

/** Checks a number of bytes. */
export function checkLength(command: string, length: unknown): U64 {
  return checkUnsigned(command, 'length', length)
}

/**
 * The canonical form of an integer that is not negative. It has no upper limit here: what is too large is out of
 * bounds, and {@link checkCommand} rejects it with the errno that the command has for that.
 */
function checkUnsigned(command: string, argument: string, value: unknown): U64 {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  if (typeof value === 'bigint' && value >= 0n) return u64(value)
  throw argumentError(command, argument, 'a safe integer or a bigint, at least 0', value)
}

/** Memory of the caller's: a Uint8Array (a Buffer is one) that is not detached. */
export function checkBytes(command: string, name: string, bytes: unknown): Uint8Array {
  if (!isBytes(bytes)) {
    throw argumentError(command, name, 'a Uint8Array', bytes)
  }
  if (bytes.byteLength === 0 && isDetached(bytes.buffer)) {
    throw argumentError(command, name, 'memory that is not detached', bytes, {
      receivedText: 'detached memory',
    })
  }
  return bytes
}

/** The tag is for an array of another realm. A proxy of an array is none: its bytes cannot be sent. */
function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && (value instanceof Uint8Array || tagOf(value) === '[object Uint8Array]')
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

/** What a server advertises by a transmission flag. */
type Feature = { [K in keyof ExportInfo]: ExportInfo[K] extends boolean ? K : never }[keyof ExportInfo]

/** What the specification ("Request types", "Command flags") and libnbd require of a command. */
export interface CommandRule {
  readonly name: CommandName
  readonly type: Cmd
  /** What the caller gives its length by. */
  readonly lengthFrom: 'length' | 'buffer' | 'data'
  /** The flags that belong to it. */
  readonly flags: number
  /** The longest that one request can be. */
  readonly maxLength: number
  /** Where the server must have advertised it. */
  readonly feature?: Feature
  readonly isWrite: boolean
  /** It has no range. */
  readonly hasNoRange?: boolean
  readonly outOfBounds: Errno
}

export type CommandName =
  | 'pread'
  | 'preadInto'
  | 'preadStructured'
  | 'blockStatus'
  | 'pwrite'
  | 'flush'
  | 'trim'
  | 'zero'
  | 'cache'

const MAX_U32 = 0xffffffff
const MAX_OFFSET = 2n ** 64n - 1n
const readDefaults = { isWrite: false, outOfBounds: 'EINVAL', lengthFrom: 'length' } as const
const writeDefaults = { isWrite: true, outOfBounds: 'ENOSPC', lengthFrom: 'length' } as const
const { Fua, NoHole, Df, ReqOne, FastZero, PayloadLen } = CommandFlag

export const rules: Readonly<Record<CommandName, CommandRule>> = {
  pread: { ...readDefaults, name: 'pread', type: Cmd.Read, flags: 0, maxLength: MAX_PAYLOAD },
  preadInto: {
    ...readDefaults,
    name: 'preadInto',
    type: Cmd.Read,
    lengthFrom: 'buffer',
    flags: 0,
    maxLength: MAX_PAYLOAD,
  },
  preadStructured: {
    ...readDefaults,
    name: 'preadStructured',
    type: Cmd.Read,
    lengthFrom: 'buffer',
    flags: Df,
    maxLength: MAX_PAYLOAD,
  },
  blockStatus: {
    ...readDefaults,
    name: 'blockStatus',
    type: Cmd.BlockStatus,
    flags: ReqOne,
    maxLength: MAX_U32,
  },
  pwrite: {
    ...writeDefaults,
    name: 'pwrite',
    type: Cmd.Write,
    lengthFrom: 'data',
    flags: Fua,
    maxLength: MAX_PAYLOAD,
  },
  flush: {
    ...readDefaults,
    name: 'flush',
    type: Cmd.Flush,
    flags: 0,
    maxLength: 0,
    feature: 'canFlush',
    hasNoRange: true,
  },
  trim: {
    ...writeDefaults,
    name: 'trim',
    type: Cmd.Trim,
    flags: Fua,
    maxLength: MAX_U32,
    feature: 'canTrim',
  },
  zero: {
    ...writeDefaults,
    name: 'zero',
    type: Cmd.WriteZeroes,
    flags: Fua | NoHole | FastZero,
    maxLength: MAX_U32,
    feature: 'canZero',
  },
  cache: {
    ...readDefaults,
    name: 'cache',
    type: Cmd.Cache,
    flags: 0,
    maxLength: MAX_U32,
    feature: 'canCache',
  },
}

/** Flags that the server must have advertised, wherever they are used. */
const featureOfFlag: readonly { readonly flag: number; readonly feature: Feature; readonly name: string }[] =
  [
    { flag: Fua, feature: 'canFua', name: 'fua' },
    { flag: FastZero, feature: 'canFastZero', name: 'fastZero' },
    { flag: Df, feature: 'canDf', name: 'df' },
  ]

/**
 * NBD_CMD_FLAG_PAYLOAD_LEN belongs to every request with a payload under extended headers, and to no other. A write has
 * its payload in any case; in front of another command's the flag never lacks, or the server would take it for requests.
 */
export function flagsToSend(
  type: Cmd,
  flags: number,
  data: Uint8Array | undefined,
  { extendedHeaders, strict }: CheckContext,
): number {
  if (!strict.autoFlag) return type !== Cmd.Write && data !== undefined ? flags | PayloadLen : flags
  return extendedHeaders && data !== undefined ? flags | PayloadLen : flags & ~PayloadLen
}

/** What the checks go by. */
export interface CheckContext {
  readonly info: ExportInfo
  readonly structuredReplies: boolean
  readonly extendedHeaders: boolean
  readonly strict: StrictChecks
}

/** Rejects what is known to fail before it is sent, in libnbd's order of checks. */
export function checkCommand(
  rule: CommandRule,
  flags: number,
  offset: U64,
  { length, data }: Pick<CommandPayload, 'length' | 'data'>,
  context: CheckContext,
): void {
  const { info, strict } = context
  if (flags !== 0 && strict.flags) checkFlags(rule, flags, data !== undefined)
  if (strict.commands) checkFeatures(rule, flags, info)
  if (rule.hasNoRange === true) return
  if (length === 0 && strict.zeroSize)
    throw usageError(rule, `${rule.lengthFrom}: expected at least 1 byte, received 0`, 'EINVAL')
  if (strict.bounds) checkBounds(rule, offset, length, info.size)
  if (strict.align) checkAlignment(rule, offset, length, info)
  checkMaximum(rule, offset, length, context)
}

/** NBD_CMD_FLAG_PAYLOAD_LEN belongs to a request with a payload: a write, or a block status of some contexts. */
function checkFlags(rule: CommandRule, flags: number, hasPayload: boolean): void {
  const invalidFlags = flags & ~(hasPayload ? rule.flags | PayloadLen : rule.flags)
  if (invalidFlags === 0) return
  const name = Object.keys(flagOf).find((name) => ((flagOf[name] as number) & invalidFlags) !== 0)
  const which = name ?? `flags ${hex(invalidFlags, 4)}`
  throw usageError(rule, `${which}: this flag does not belong to the command`, 'EINVAL')
}

const NO_CONTEXTS = 'no meta context was negotiated'
const CONTEXTS_HINT = 'ask for contexts by the option metaContexts'

function checkFeatures(rule: CommandRule, flags: number, info: ExportInfo): void {
  if (rule.type === Cmd.BlockStatus && info.metaContexts.length === 0) {
    throw usageError(rule, NO_CONTEXTS, 'ENOTSUP', CONTEXTS_HINT)
  }
  if (rule.feature !== undefined && !info[rule.feature]) {
    throw usageError(rule, `the server does not offer it (${rule.feature} is false)`, 'EINVAL')
  }
  if (rule.isWrite && info.readOnly) throw usageError(rule, 'the export is read-only', 'EPERM')
  if (flags === 0) return
  for (const { flag, feature, name } of featureOfFlag) {
    if ((flags & flag) !== 0 && !info[feature]) {
      throw usageError(rule, `${name}: the server does not offer it (${feature} is false)`, 'EINVAL')
    }
  }
}

function checkBounds(rule: CommandRule, offset: U64, length: U64, size: bigint): void {
  // Without a bigint wherever the sum is exact.
  if (typeof offset === 'number' && typeof length === 'number') {
    if (Number.isSafeInteger(offset + length) && offset + length <= size) return
  }
  if (BigInt(offset) + BigInt(length) <= size) return
  const why = `${length} bytes at offset ${offset} reach beyond the end of the export, ${size} bytes`
  throw usageError(rule, why, rule.outOfBounds)
}

function checkAlignment(rule: CommandRule, offset: U64, length: U64, info: ExportInfo): void {
  const { minimum } = info.blockSize
  if (minimum <= 1 || (isMultiple(length, minimum) && isMultiple(offset, minimum))) return
  const what = `${length} bytes at offset ${offset} are not aligned to info.blockSize.minimum, ${minimum} bytes`
  throw usageError(rule, what, 'EINVAL', tailHint(offset, length, info))
}

function isMultiple(value: U64, of: number): boolean {
  return typeof value === 'number' ? value % of === 0 : value % BigInt(of) === 0n
}

/**
 * What to ask for instead of a range that reaches into the end of an export whose size is no multiple of its minimum
 * block size: no aligned request reaches these last bytes ("Size constraints").
 */
function tailHint(offset: U64, length: U64, { size, blockSize }: ExportInfo): string | undefined {
  const tail = size % BigInt(blockSize.minimum)
  const end = size - tail
  if (tail === 0n || BigInt(offset) + BigInt(length) <= end) return undefined
  const tailText = `the last ${tail} bytes of the export cannot be addressed`
  const start = BigInt(offset) - (BigInt(offset) % BigInt(blockSize.minimum))
  return start < end ? `${tailText}: ask for ${end - start} bytes at offset ${start}` : tailText
}

function checkMaximum(rule: CommandRule, offset: U64, length: U64, context: CheckContext): void {
  const { info, extendedHeaders, strict } = context
  const { payload } = info.blockSize
  if (strict.payload && length > payload && isLimitedByPayload(rule, context)) {
    const why = `${rule.lengthFrom}: expected at most ${payload} bytes (info.blockSize.payload), received ${length}`
    throw usageError(rule, why, 'ERANGE')
  }
  // Extended headers have 64 bits for lengths without a payload.
  const isRange = rule.maxLength === MAX_U32
  const maxLength = isRange && extendedHeaders ? Number.MAX_SAFE_INTEGER : rule.maxLength
  if (length > maxLength) {
    const advised = maxLength === MAX_U32 ? adviseLength(info) : maxLength
    const why = `${rule.lengthFrom}: expected at most ${advised} bytes, received ${length}`
    throw usageError(rule, why, 'ERANGE')
  }
  if (offset > MAX_OFFSET) {
    const why = `offset: expected at most ${MAX_OFFSET}, received ${offset}`
    throw usageError(rule, why, rule.outOfBounds)
  }
}

/**
 * The longest range to ask for with 32-bit lengths: whole blocks. 2^32 - 1 can be sent too, but nbdkit 1.32 ends itself
 * by a failed assertion on a block status of that length.
 */
function adviseLength({ blockSize }: ExportInfo): number {
  return 2 ** 32 - Math.max(4096, blockSize.minimum)
}

/**
 * "Size constraints": the maximum applies to writes, and to reads whose reply is one piece. If the server announced no
 * maximum there is none for reads: 32 MiB is only what every server accepts.
 */
function isLimitedByPayload({ type }: CommandRule, { info, structuredReplies }: CheckContext): boolean {
  if (type === Cmd.Write) return true
  return type === Cmd.Read && !structuredReplies && info.blockSize.maximum !== 0
}

function usageError(rule: CommandRule, why: string, errno: Errno, hint?: string): NbdUsageError {
  return new NbdUsageError(`${rule.name}: ${why}`, { errno, hint })
}

/** What a command moves: how much, from where or to where. */
export interface CommandPayload extends Omit<PendingInit, 'type' | 'name' | 'flags' | 'offset' | 'length'> {
  /** As the caller passed it: {@link checkCommand} rejects more than 2^53 - 1 bytes. */
  readonly length: U64
}

/**
 * Checks an argument and returns the payload of the command. Each kind has a function of its own and no closure, because it
 * runs once per command.
 */
export type PayloadParser<Subject> = (
  rule: CommandRule,
  subject: Subject,
  offset: U64,
  detaches: boolean,
) => CommandPayload

/** A number of bytes: of a read into new memory, or of a range. */
export const lengthArgument: PayloadParser<number | bigint> = ({ name }, length) => ({
  length: checkLength(name, length),
})

/** No bytes in particular. */
export const noArgument: PayloadParser<undefined> = () => ({ length: 0 })

/** Into the caller's memory, which is not lent to the connection if the promise may settle before the reply. */
export const destinationArgument: PayloadParser<Uint8Array> = ({ name }, buffer, _offset, detaches) => {
  const destination = checkBytes(name, 'buffer', buffer)
  const canReceiveInPlace = !detaches && !isShared(destination)
  return { length: destination.length, destination, canReceiveInPlace }
}

/** The memory of the caller, and the function that receives each chunk. */
export interface ChunkedRead {
  readonly buffer: Uint8Array
  readonly onChunk: (chunk: ReadChunk) => void
}

export const chunkedDestination: PayloadParser<ChunkedRead> = (
  rule,
  { buffer, onChunk },
  offset,
  detaches,
) => {
  const target = destinationArgument(rule, buffer, offset, detaches)
  checkFunction(rule.name, 'onChunk', onChunk)
  return { ...target, wantsChunks: true, onChunk }
}

/** From the caller's memory. It is copied if the promise may settle before the reply, or if other threads may change it. */
export const dataArgument: PayloadParser<Uint8Array> = ({ name }, data, _offset, detaches) => {
  const bytes = checkBytes(name, 'data', data)
  if (isShared(bytes)) return { length: bytes.length, data: new Uint8Array(bytes) }
  return { length: bytes.length, data: bytes, copiesData: detaches }
}

/** The range and the contexts of a block status. */
export interface BlockStatusRange {
  readonly offset: U64
  readonly length: U64
  /** Names of contexts, or all. */
  readonly contexts: readonly string[] | undefined
  readonly isOne: boolean
}

/** What is known of the export and its contexts. */
export interface StatusContext {
  readonly info: ExportInfo
  readonly negotiated: MetaContexts
  /** How many extents are kept, of all contexts together. */
  readonly maxExtents: number
}

/**
 * Where the extents of a block status go, and the payload that restricts it to some contexts. A server that cannot
 * be asked for some is asked for all, and the others are passed over.
 */
export function blockStatusPayload(
  { offset, length, contexts, isOne }: BlockStatusRange,
  { info, negotiated, maxExtents }: StatusContext,
): Pick<CommandPayload, 'length' | 'data' | 'status'> {
  const wanted = contexts === undefined ? negotiated : pick(contexts, negotiated)
  const query = {
    offset: BigInt(offset),
    length: BigInt(length),
    exportSize: info.size,
    contexts: wanted,
    isOne,
    maxExtents: Math.max(1, Math.floor(maxExtents / wanted.size)),
  }
  const status = new ExtentCollector(query)
  if (wanted.size === negotiated.size || !info.canBlockStatusPayload) return { length, status }
  return { length, status, data: encodeBlockStatusFilter({ length, contextIds: [...wanted.keys()] }) }
}

function pick(names: readonly string[], negotiated: MetaContexts): MetaContexts {
  if (names.length === 0)
    throw new NbdUsageError('blockStatus: contexts: expected at least one name, received none')
  const picked = new Map([...negotiated].filter(([, name]) => names.includes(name)))
  const known = new Set(picked.values())
  const missing = names.find((name) => !known.has(name))
  if (missing === undefined) return picked
  const which = `blockStatus: contexts: ${quote(missing)} was not negotiated`
  if (negotiated.size === 0)
    throw new NbdUsageError(`${which}: ${NO_CONTEXTS}`, { errno: 'ENOTSUP', hint: CONTEXTS_HINT })
  throw new NbdUsageError(`${which}, only ${quoteList([...negotiated.values()])}`)
}
