import { type Errno, NbdUsageError } from '../errors.js'
import { type ExportInfo, MAX_PAYLOAD } from '../machine/export-info.js'
import type { Strict } from '../options.js'
import { hex } from '../wire/bytes.js'
import { Cmd } from '../wire/command.js'
import { CommandFlag } from '../wire/flags.js'
import type { U64 } from '../wire/u64.js'
import { flagOf } from './arguments.js'

/** What a server tells by a transmission flag. */
type Feature = { [K in keyof ExportInfo]: ExportInfo[K] extends boolean ? K : never }[keyof ExportInfo]

/** What the specification ("Request types", "Command flags") and libnbd ask of a command. */
export interface CommandRule {
  readonly name: RuleName
  readonly type: Cmd
  /** What the caller gives its length by. */
  readonly sizedBy: 'length' | 'buffer' | 'data'
  /** The flags that belong to it. */
  readonly flags: number
  /** The longest that one request can be. */
  readonly maxLength: number
  /** Where the server must have advertised it. */
  readonly feature?: Feature
  readonly isWrite: boolean
  /** It has no range. */
  readonly isWhole?: boolean
  readonly outOfBounds: Errno
}

export type RuleName =
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
const onReading = { isWrite: false, outOfBounds: 'EINVAL', sizedBy: 'length' } as const
const onWriting = { isWrite: true, outOfBounds: 'ENOSPC', sizedBy: 'length' } as const
const { Fua, NoHole, Df, ReqOne, FastZero, PayloadLen } = CommandFlag

export const rules: Readonly<Record<RuleName, CommandRule>> = {
  pread: { ...onReading, name: 'pread', type: Cmd.Read, flags: 0, maxLength: MAX_PAYLOAD },
  preadInto: {
    ...onReading,
    name: 'preadInto',
    type: Cmd.Read,
    sizedBy: 'buffer',
    flags: 0,
    maxLength: MAX_PAYLOAD,
  },
  preadStructured: {
    ...onReading,
    name: 'preadStructured',
    type: Cmd.Read,
    sizedBy: 'buffer',
    flags: Df,
    maxLength: MAX_PAYLOAD,
  },
  blockStatus: {
    ...onReading,
    name: 'blockStatus',
    type: Cmd.BlockStatus,
    flags: ReqOne | PayloadLen,
    maxLength: MAX_U32,
  },
  pwrite: {
    ...onWriting,
    name: 'pwrite',
    type: Cmd.Write,
    sizedBy: 'data',
    flags: Fua | PayloadLen,
    maxLength: MAX_PAYLOAD,
  },
  flush: {
    ...onReading,
    name: 'flush',
    type: Cmd.Flush,
    flags: 0,
    maxLength: 0,
    feature: 'canFlush',
    isWhole: true,
  },
  trim: { ...onWriting, name: 'trim', type: Cmd.Trim, flags: Fua, maxLength: MAX_U32, feature: 'canTrim' },
  zero: {
    ...onWriting,
    name: 'zero',
    type: Cmd.WriteZeroes,
    flags: Fua | NoHole | FastZero,
    maxLength: MAX_U32,
    feature: 'canZero',
  },
  cache: { ...onReading, name: 'cache', type: Cmd.Cache, flags: 0, maxLength: MAX_U32, feature: 'canCache' },
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
  { extendedHeaders, strict }: Ground,
): number {
  if (!strict.autoFlag) return type !== Cmd.Write && data !== undefined ? flags | PayloadLen : flags
  return extendedHeaders && data !== undefined ? flags | PayloadLen : flags & ~PayloadLen
}

/** What the checks go by. */
export interface Ground {
  readonly info: ExportInfo
  readonly structuredReplies: boolean
  readonly extendedHeaders: boolean
  readonly strict: Strict
}

/** Refuses what can be known to fail, in libnbd's order of checks. */
export function checkWish(
  rule: CommandRule,
  flags: number,
  offset: U64,
  length: number,
  ground: Ground,
): void {
  const { info, strict } = ground
  if (flags !== 0 && strict.flags) checkFlags(rule, flags)
  if (strict.commands) checkFeatures(rule, flags, info)
  if (rule.isWhole === true) return
  if (length === 0 && strict.zeroSize)
    throw refused(rule, `${rule.sizedBy}: expected at least 1 byte, received 0`, 'EINVAL')
  if (strict.bounds) checkBounds(rule, offset, length, info.size)
  if (strict.align) checkAlignment(rule, offset, length, info.blockSize.minimum)
  checkMaximum(rule, length, ground)
}

function checkFlags(rule: CommandRule, flags: number): void {
  const foreign = flags & ~rule.flags
  if (foreign === 0) return
  const name = Object.keys(flagOf).find((name) => ((flagOf[name] as number) & foreign) !== 0)
  const which = name ?? `flags ${hex(foreign, 4)}`
  throw refused(rule, `${which}: this flag does not belong to the command`, 'EINVAL')
}

function checkFeatures(rule: CommandRule, flags: number, info: ExportInfo): void {
  if (rule.isWrite && info.readOnly) throw refused(rule, 'the export is read-only', 'EPERM')
  if (rule.type === Cmd.BlockStatus && info.metaContexts.length === 0) {
    throw refused(rule, 'no meta context was negotiated (see the option metaContexts)', 'ENOTSUP')
  }
  if (rule.feature !== undefined && !info[rule.feature]) {
    throw refused(rule, `the server does not offer it (${rule.feature} is false)`, 'EINVAL')
  }
  if (flags === 0) return
  for (const { flag, feature, name } of featureOfFlag) {
    if ((flags & flag) !== 0 && !info[feature]) {
      throw refused(rule, `${name}: the server does not offer it (${feature} is false)`, 'EINVAL')
    }
  }
}

function checkBounds(rule: CommandRule, offset: U64, length: number, size: bigint): void {
  // Without a bigint wherever the sum is exact.
  if (typeof offset === 'number' && Number.isSafeInteger(offset + length) && offset + length <= size) return
  if (BigInt(offset) + BigInt(length) <= size) return
  const why = `${length} bytes at offset ${offset} reach beyond the end of the export, ${size} bytes`
  throw refused(rule, why, rule.outOfBounds)
}

function checkAlignment(rule: CommandRule, offset: U64, length: number, minimum: number): void {
  if (minimum <= 1) return
  const isAligned = length % minimum === 0 && BigInt(offset) % BigInt(minimum) === 0n
  if (isAligned) return
  const why = `${length} bytes at offset ${offset} are not aligned to info.blockSize.minimum, ${minimum} bytes`
  throw refused(rule, why, 'EINVAL')
}

function checkMaximum(rule: CommandRule, length: number, ground: Ground): void {
  const { info, extendedHeaders, strict } = ground
  const { payload } = info.blockSize
  if (strict.payload && length > payload && isHeldToPayload(rule, ground)) {
    const why = `${rule.sizedBy}: expected at most ${payload} bytes (info.blockSize.payload), received ${length}`
    throw refused(rule, why, 'ERANGE')
  }
  // Extended headers have 64 bits for lengths without a payload.
  const maxLength = extendedHeaders && rule.maxLength === MAX_U32 ? Number.MAX_SAFE_INTEGER : rule.maxLength
  if (length > maxLength) {
    const why = `${rule.sizedBy}: expected at most ${maxLength} bytes, received ${length}`
    throw refused(rule, why, 'ERANGE')
  }
}

/**
 * "Size constraints": writes, and reads whose reply is one piece. Where the server told no maximum there is none for
 * reads: 32 MiB is but what every server takes.
 */
function isHeldToPayload({ type }: CommandRule, { info, structuredReplies }: Ground): boolean {
  if (type === Cmd.Write) return true
  return type === Cmd.Read && !structuredReplies && info.blockSize.maximum !== 0
}

function refused(rule: CommandRule, why: string, errno: Errno): NbdUsageError {
  return new NbdUsageError(`${rule.name}: ${why}`, { errno })
}
