import * as z from 'zod/mini'
import { NbdUsageError } from './errors.js'
import { defaultLimits, type Limits } from './machine/limits.js'
import { encodeText, MAX_STRING_BYTES } from './wire/text.js'

/** What a caller's mistake is refused for before anything is sent. Each is on by default. */
export interface Strict {
  /** Commands and flags that the server does not advertise, and writes to a read-only export. */
  readonly commands: boolean
  /** Flags that do not belong to the command. */
  readonly flags: boolean
  /** Ranges beyond the end of the export. */
  readonly bounds: boolean
  /** Commands of length 0 (flush has none). */
  readonly zeroSize: boolean
  /** Offsets and lengths that are not multiples of the server's minimum block size. */
  readonly align: boolean
  /** Writes that are longer than `info.blockSize.payload`. */
  readonly payload: boolean
}

/** In milliseconds; 0 for none. No timeout ever ends an idle connection. */
export interface Timeouts {
  /** Until the transport is connected. Default 30,000. */
  readonly dialMs: number
  /** Until the handshake is done; in opt mode, until the reply to one option is complete. Default 30,000. */
  readonly handshakeMs: number
  /**
   * How long a command on its way may make no progress before the peer counts as dead and the handle with it.
   * Default 0: a flush or a trim may take its time.
   */
  readonly requestMs: number
  /** After the goodbye was sent and everything answered: how long the server may take to close. Default 5,000. */
  readonly closeMs: number
}

/** The options of a Handle, all optional. The setter of libnbd with the same meaning is named in brackets. */
export interface HandleOptions<OptMode extends boolean = boolean> {
  /** For debug output. Default `nbd1`, `nbd2` ... [set_handle_name] */
  readonly name?: string | undefined
  /** At most 4096 bytes of UTF-8. Default '', the server's default export. [set_export_name] */
  readonly exportName?: string | undefined
  /** `connect` stops in the state `negotiating`, for the opt methods. Default false. [set_opt_mode] */
  readonly optMode?: OptMode | undefined
  /** Ask for the canonical name and the description. Default false. [set_full_info] */
  readonly fullInfo?: boolean | undefined
  /** Ask for the block sizes. Default true. [set_request_block_size] */
  readonly requestBlockSize?: boolean | undefined
  /** Ask for structured replies. Default true. [set_request_structured_replies] */
  readonly requestStructuredReplies?: boolean | undefined
  /** Handshake flags to set if the server does. Both default to true. [set_handshake_flags] */
  readonly handshakeFlags?:
    | { readonly fixedNewstyle?: boolean | undefined; readonly noZeroes?: boolean | undefined }
    | undefined
  /** Checks by name, or a boolean for all. Default true. [set_strict_mode] */
  readonly strict?: boolean | { readonly [K in keyof Strict]?: boolean | undefined } | undefined
  readonly limits?: { readonly [K in keyof Limits]?: number | undefined } | undefined
  readonly timeouts?: { readonly [K in keyof Timeouts]?: number | undefined } | undefined
}

/** Options with every default filled in. */
export interface ParsedOptions {
  readonly name: string | undefined
  readonly exportName: string
  readonly optMode: boolean
  readonly fullInfo: boolean
  readonly requestBlockSize: boolean
  readonly requestStructuredReplies: boolean
  readonly handshakeFlags: { readonly fixedNewstyle: boolean; readonly noZeroes: boolean }
  readonly strict: Strict
  readonly limits: Limits
  readonly timeouts: Timeouts
}

/** Longer delays than this overflow the timers of JavaScript, and fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

const flag = (byDefault: boolean) => z._default(z.boolean(), byDefault)
const positive = (byDefault: number) => z._default(z.int().check(z.minimum(1)), byDefault)
const timeoutMs = (byDefault: number) =>
  z._default(z.number().check(z.minimum(0), z.maximum(MAX_TIMEOUT_MS)), byDefault)
const name = z.string().check(z.refine((text) => !text.includes('\0'), 'must not hold a NUL'))

const strictChecks = z.strictObject({
  commands: flag(true),
  flags: flag(true),
  bounds: flag(true),
  zeroSize: flag(true),
  align: flag(true),
  payload: flag(true),
})

const schema = z.strictObject({
  name: z.optional(z.string()),
  exportName: z._default(name, ''),
  optMode: flag(false),
  fullInfo: flag(false),
  requestBlockSize: flag(true),
  requestStructuredReplies: flag(true),
  handshakeFlags: z.prefault(z.strictObject({ fixedNewstyle: flag(true), noZeroes: flag(true) }), {}),
  strict: z.prefault(z.union([z.boolean(), strictChecks]), {}),
  limits: z.prefault(
    z.strictObject({
      inFlightCommands: positive(defaultLimits.inFlightCommands),
      inFlightBytes: positive(defaultLimits.inFlightBytes),
      optionReplyBytes: positive(defaultLimits.optionReplyBytes),
      listEntries: positive(defaultLimits.listEntries),
    }),
    {},
  ),
  timeouts: z.prefault(
    z.strictObject({
      dialMs: timeoutMs(30_000),
      handshakeMs: timeoutMs(30_000),
      requestMs: timeoutMs(0),
      closeMs: timeoutMs(5_000),
    }),
    {},
  ),
})

/** Checks the options of a Handle once, when it is made. */
export function parseOptions(options: unknown = {}): ParsedOptions {
  const result = schema.safeParse(options, { reportInput: true })
  if (!result.success) throw new NbdUsageError(result.error.issues.map(describe).join('; '))
  checkExportName(result.data.exportName)
  return { ...result.data, name: result.data.name, strict: allStrict(result.data.strict) }
}

/** "Conventions": a name has at most 4096 bytes of UTF-8 and no NUL. */
export function checkExportName(exportName: unknown): asserts exportName is string {
  if (typeof exportName !== 'string')
    throw new NbdUsageError(`exportName: expected a string, received ${typeof exportName}`)
  if (exportName.includes('\0')) throw new NbdUsageError('exportName: must not hold a NUL')
  const { length } = encodeText(exportName)
  if (length <= MAX_STRING_BYTES) return
  throw new NbdUsageError(
    `exportName: expected at most ${MAX_STRING_BYTES} bytes of UTF-8, received ${length}`,
    {
      errno: 'ENAMETOOLONG',
    },
  )
}

function allStrict(strict: boolean | Strict): Strict {
  if (typeof strict !== 'boolean') return strict
  return { commands: strict, flags: strict, bounds: strict, zeroSize: strict, align: strict, payload: strict }
}

/** One line per mistake: where, what was expected, what came. */
function describe(issue: z.core.$ZodIssue): string {
  const path = ['options', ...issue.path].join('.')
  const received = `received ${show(issue.input)}`
  switch (issue.code) {
    case 'unrecognized_keys':
      return `${path}: unknown option ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`
    case 'invalid_type':
      return `${path}: expected ${issue.expected}, ${received}`
    case 'too_small':
      return `${path}: expected at least ${issue.minimum}, ${received}`
    case 'too_big':
      return `${path}: expected at most ${issue.maximum}, ${received}`
    case 'invalid_union':
      return `${path}: expected a boolean or an object of known checks, ${received}`
    default:
      return `${path}: ${issue.message}`
  }
}

function show(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}
