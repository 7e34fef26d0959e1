import * as z from 'zod/mini'
import { NbdUsageError } from './errors.js'
import { misuse, misuseMessage } from './handle/misuse.js'
import { defaultLimits, type Limits } from './protocol/limits.js'
import type { TlsProvider } from './tls.js'
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
  /**
   * Writes that are longer than `info.blockSize.payload`, and reads too where replies are simple and the server told
   * a maximum.
   */
  readonly payload: boolean
  /** NBD_CMD_FLAG_PAYLOAD_LEN is set where extended headers ask for it, whatever the caller says. */
  readonly autoFlag: boolean
}

/** In milliseconds; 0 for none. No timeout ever ends an idle connection. */
export interface Timeouts {
  /** Until the transport is connected. Default 30,000. */
  readonly dialMs: number
  /** Until the handshake is done; in opt mode, until the reply to one option is complete. Default 30,000. */
  readonly handshakeMs: number
  /**
   * How long no byte may move, in either direction, while a command waits for its reply: after that the peer
   * counts as dead and the handle with it. Default 0: a flush or a trim may take its time.
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
  /** Ask for extended headers: 64-bit lengths. Needs structured replies. Default true. [set_request_extended_headers] */
  readonly requestExtendedHeaders?: boolean | undefined
  /** Select `metaContexts` whenever the export is asked about. Default true. [set_request_meta_context] */
  readonly requestMetaContext?: boolean | undefined
  /**
   * Queries for the meta contexts that `blockStatus` shall tell of: `base:allocation`. Each begins with a namespace and a
   * colon. Default none. [add_meta_context]
   */
  readonly metaContexts?: readonly string[] | undefined
  /**
   * `allow`: TLS if the server takes it, else plaintext, which anybody in between can bring about. `require`: TLS or
   * nothing. Both need `tlsProvider`. Default `disable`. [set_tls]
   */
  readonly tls?: 'disable' | 'allow' | 'require' | undefined
  /** Speaks TLS and verifies the server: `nodeTls()` of `@nbdjs/tls`. */
  readonly tlsProvider?: TlsProvider | undefined
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
  readonly requestExtendedHeaders: boolean
  readonly requestMetaContext: boolean
  readonly metaContexts: readonly string[]
  readonly tls: 'disable' | 'allow' | 'require'
  readonly tlsProvider: TlsProvider | undefined
  readonly handshakeFlags: { readonly fixedNewstyle: boolean; readonly noZeroes: boolean }
  readonly strict: Strict
  readonly limits: Limits
  readonly timeouts: Timeouts
}

/** What a handle is told to do: its options with every default filled in, as its setters have changed them. */
export type Settings = Omit<ParsedOptions, 'name' | 'tlsProvider'>

/** Longer delays than this overflow the timers of JavaScript, and fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

const flag = (byDefault: boolean) => z._default(z.boolean(), byDefault)
const positive = (byDefault: number) => z._default(z.int().check(z.minimum(1)), byDefault)
const timeoutMs = (byDefault: number) =>
  z._default(z.number().check(z.minimum(0), z.maximum(MAX_TIMEOUT_MS)), byDefault)

const handshakeFlags = z.strictObject({ fixedNewstyle: flag(true), noZeroes: flag(true) })
const strict = z.strictObject({
  commands: flag(true),
  flags: flag(true),
  bounds: flag(true),
  zeroSize: flag(true),
  align: flag(true),
  payload: flag(true),
  autoFlag: flag(true),
})
const limits = z.strictObject({
  inFlightCommands: positive(defaultLimits.inFlightCommands),
  inFlightBytes: positive(defaultLimits.inFlightBytes),
  optionReplyBytes: positive(defaultLimits.optionReplyBytes),
  listEntries: positive(defaultLimits.listEntries),
  extents: positive(defaultLimits.extents),
})
const timeouts = z.strictObject({
  dialMs: timeoutMs(30_000),
  handshakeMs: timeoutMs(30_000),
  requestMs: timeoutMs(0),
  closeMs: timeoutMs(5_000),
})
const groups = { handshakeFlags, strict, limits, timeouts }

const schema = z.strictObject({
  name: z.optional(z.string()),
  exportName: z._default(z.string(), ''),
  optMode: flag(false),
  fullInfo: flag(false),
  requestBlockSize: flag(true),
  requestStructuredReplies: flag(true),
  requestExtendedHeaders: flag(true),
  requestMetaContext: flag(true),
  metaContexts: z._default(z.array(z.string()), []),
  tls: z._default(z.enum(['disable', 'allow', 'require']), 'disable'),
  tlsProvider: z.optional(z.unknown()),
  handshakeFlags: z.prefault(handshakeFlags, {}),
  strict: z.prefault(z.pipe(z.transform(allOrEach), strict), {}),
  limits: z.prefault(limits, {}),
  timeouts: z.prefault(timeouts, {}),
})

/** Checks the options of a Handle once, when it is made. */
export function parseOptions(options: unknown = {}): ParsedOptions {
  const result = schema.safeParse(options, { reportInput: true })
  if (!result.success) throw new NbdUsageError(result.error.issues.flatMap(mistakes).join('; '))
  checkName('options.exportName', result.data.exportName)
  result.data.metaContexts.forEach((name, index) => {
    checkQuery(`options.metaContexts.${index}`, name)
  })
  const { tls, tlsProvider } = result.data
  checkTlsProvider(tls, tlsProvider)
  return { ...result.data, name: result.data.name, tlsProvider }
}

function checkTlsProvider(tls: string, provider: unknown): asserts provider is TlsProvider | undefined {
  if (provider === undefined) {
    if (tls === 'disable') return
    throw new NbdUsageError(
      `options.tls: '${tls}' needs options.tlsProvider, such as nodeTls() of @nbdjs/tls`,
    )
  }
  const { role, upgrade } = Object(provider) as Partial<TlsProvider>
  if (typeof upgrade !== 'function') throw misuse('options.tlsProvider', 'a TlsProvider', provider)
  if (role !== 'client') throw misuse('options.tlsProvider.role', "'client'", role)
}

/** "Conventions": a name has at most 4096 bytes of UTF-8 and no NUL. `where` begins the error's message. */
export function checkName(where: string, name: unknown): asserts name is string {
  if (typeof name !== 'string') throw misuse(where, 'a string', name)
  // Half of a surrogate pair would silently become U+FFFD, and so another export.
  if (/[\0\p{Surrogate}]/u.test(name)) {
    throw misuse(where, 'a string without NUL and without half a surrogate pair', name)
  }
  const { length } = encodeText(name)
  if (length <= MAX_STRING_BYTES) return
  throw new NbdUsageError(
    `${where}: expected at most ${MAX_STRING_BYTES} bytes of UTF-8, received ${length}`,
    {
      errno: 'ENAMETOOLONG',
    },
  )
}

/**
 * "NBD_OPT_LIST_META_CONTEXT", "Metadata querying": a query begins with a namespace, which is printable, and a colon. A
 * server may refuse all queries of a request for the sake of one that does not, and a misspelt one would go unnoticed.
 */
export function checkQuery(where: string, query: unknown): asserts query is string {
  checkName(where, query)
  if (/^[^\s\p{C}:]+:/u.test(query)) return
  throw misuse(where, 'a namespace and a colon, such as base:allocation', query)
}

/** `strict: false` means every check. */
function allOrEach(value: unknown): unknown {
  if (typeof value !== 'boolean') return value
  return Object.fromEntries(Object.keys(strict.shape).map((check) => [check, value]))
}

/** Where the type alone does not say it. */
const expectedAt: Readonly<Record<string, string>> = { strict: 'a boolean or an object' }
const expectedTypes: Readonly<Record<string, string>> = {
  array: 'an array of strings',
  boolean: 'a boolean',
  int: 'an integer',
  number: 'a finite number',
  object: 'an object',
  string: 'a string',
}

/** What is wrong with one option: where, what was expected, what came. */
function mistakes(issue: z.core.$ZodIssue): string[] {
  const where = ['options', ...issue.path].join('.')
  const mistake = (expected: string): string[] => [misuseMessage(where, expected, issue.input)]
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownAt(issue.path).join(', ')
      return issue.keys.map((key) => `${where}.${key}: unknown option, expected one of ${known}`)
    }
    case 'invalid_type':
      return mistake(expectedAt[issue.path.join('.')] ?? expectedTypes[issue.expected] ?? issue.expected)
    case 'invalid_value':
      return mistake(`one of ${issue.values.map((value) => `'${String(value)}'`).join(', ')}`)
    case 'too_small':
      return mistake(`at least ${issue.minimum}`)
    case 'too_big':
      return mistake(`at most ${issue.maximum}`)
    default:
      return [`${where}: ${issue.message}`]
  }
}

function knownAt([group]: readonly PropertyKey[]): string[] {
  return Object.keys(group === undefined ? schema.shape : groups[group as keyof typeof groups].shape)
}
