import { argumentError } from './argument-error.js'
import { checkOptions, option } from './check-options.js'
import { NbdUsageError } from './errors.js'
import { defaultLimits, type Limits } from './protocol/limits.js'
import type { Allocate, Bytes } from './protocol/transmission/command.js'
import type { TlsProvider } from './tls.js'
import type { NbdUri } from './uri/nbd-uri.js'
import { toUriAddress } from './uri/rules.js'
import { encodeText, MAX_STRING_BYTES } from './wire/text.js'

/** Client-side checks, made before a request is sent. Each is on by default. */
export interface StrictChecks {
  /**
   * Commands and flags that the server does not advertise, and writes to a read-only export.
   * @default true
   */
  readonly commands: boolean
  /**
   * Flags that do not belong to the command.
   * @default true
   */
  readonly flags: boolean
  /**
   * Ranges beyond the end of the export.
   * @default true
   */
  readonly bounds: boolean
  /**
   * Commands of length 0 (flush has no length).
   * @default true
   */
  readonly zeroSize: boolean
  /**
   * Offsets and lengths that are not multiples of the server's minimum block size.
   * @default true
   */
  readonly align: boolean
  /**
   * Writes longer than `info.blockSize.payload`; and reads longer than it with simple replies, if the server sent a
   * maximum.
   * @default true
   */
  readonly payload: boolean
  /**
   * Sets NBD_CMD_FLAG_PAYLOAD_LEN as extended headers require it, whatever the caller passes.
   * @default true
   */
  readonly autoFlag: boolean
}

/** Timeouts in milliseconds, from 0 to 2147483647; 0 for none. No timeout ends an idle connection. */
export interface Timeouts {
  /**
   * Until the transport is connected.
   * @default 30000
   */
  readonly dialMs: number
  /**
   * Until the handshake is done; while negotiating, until the reply to one option is complete.
   * @default 30000
   */
  readonly handshakeMs: number
  /**
   * How long no byte may be received while a command waits for its reply. Then the connection is dead. Bytes sent do not
   * count, because a server that answers nothing may still accept requests: choose it longer than the slowest write takes to
   * be sent. Off by default, because a flush or a trim may take long.
   * @default 0
   */
  readonly requestMs: number
  /**
   * How long one command may wait for its reply once it was sent, even if other replies arrive. Then the connection is
   * dead, because a lost reply cannot be distinguished from a dead server. It also holds for a command that was aborted, and not for
   * one with a `timeoutMs` of its own. A timeout may fire a quarter of its time late.
   * @default 0
   */
  readonly commandMs: number
  /**
   * How long the server may take to close the connection after NBD_CMD_DISC. `await using` also waits no longer than this
   * for replies while no byte is received.
   * @default 5000
   */
  readonly closeMs: number
}

/** The options of a Handle. The setter of libnbd with the same meaning is in brackets. */
export interface HandleOptions {
  /**
   * The name at the beginning of each debug message. [set_handle_name]
   * @default 'nbd1', 'nbd2' and so on
   */
  readonly name?: string | undefined
  /**
   * The name of the export, at most 4096 bytes of UTF-8. The empty name is the server's default export.
   * [set_export_name]
   * @default ''
   */
  readonly exportName?: string | undefined
  /**
   * Whether the export name is a credential, such as the session that XenServer puts into it. It is then replaced by `***` in
   * messages, `debug` lines, `info`, `uri`, `settings` and what an inspector shows of the handle.
   * @default false
   */
  readonly secretExportName?: boolean | undefined
  /**
   * Whether to request the canonical name and the description of the export. [set_full_info]
   * @default false
   */
  readonly fullInfo?: boolean | undefined
  /**
   * Whether to request the block sizes. [set_request_block_size]
   * @default true
   */
  readonly requestBlockSize?: boolean | undefined
  /**
   * Whether to request structured replies. [set_request_structured_replies]
   * @default true
   */
  readonly requestStructuredReplies?: boolean | undefined
  /**
   * Whether to request extended headers, which have 64-bit lengths. Needs `requestStructuredReplies`.
   * [set_request_extended_headers]
   * @default true
   */
  readonly requestExtendedHeaders?: boolean | undefined
  /**
   * Whether `connect`, `optGo` and `optInfo` select `metaContexts`. [set_request_meta_context]
   * @default true
   */
  readonly requestMetaContext?: boolean | undefined
  /**
   * The meta contexts for `blockStatus`, or queries for them, such as `base:allocation`. Each begins with a namespace and a
   * colon. [add_meta_context]
   * @default []
   */
  readonly metaContexts?: readonly string[] | undefined
  /**
   * Whether `connect` and `optGo` fail with an NbdNegotiationError if the server does not provide a context that is named
   * exactly in `metaContexts`. A query, which ends in a colon, may select nothing: see `info.missingMetaContexts`. Without
   * effect while `requestMetaContext` is false.
   * @default true
   */
  readonly requireMetaContexts?: boolean | undefined
  /**
   * `allow`: use TLS if offered, else plaintext; not safe against an active attacker. `require`: fail without TLS. Both
   * need `tlsProvider`. [set_tls]
   * @default 'disable'
   */
  readonly tls?: 'disable' | 'allow' | 'require' | undefined
  /** The TLS implementation, which also verifies the server: `nodeTls()` of `@nbdjs/tls`. */
  readonly tlsProvider?: TlsProvider | undefined
  /** Handshake flags to set if the server sets them. [set_handshake_flags] */
  readonly handshakeFlags?: { readonly [K in keyof HandshakeFlags]?: boolean | undefined } | undefined
  /**
   * Client-side checks by name, or a boolean for all of them. [set_strict_mode]
   * @default true
   */
  readonly strict?: boolean | { readonly [K in keyof StrictChecks]?: boolean | undefined } | undefined
  /** Limits of memory and of work per connection. */
  readonly limits?: { readonly [K in keyof Limits]?: number | undefined } | undefined
  /** Timeouts in milliseconds; 0 for none. */
  readonly timeouts?: { readonly [K in keyof Timeouts]?: number | undefined } | undefined
  /**
   * Allocates the memory that `pread` returns, such as `Buffer.allocUnsafeSlow` of Node. Each call must return fresh memory
   * of exactly `length` bytes on an ArrayBuffer. It may be uninitialised: every byte is written before `pread` resolves,
   * and after an error nothing of it is returned.
   * @default (length) => new Uint8Array(length)
   */
  readonly allocate?: ((length: number) => Bytes) | undefined
  /**
   * The URI that the transport was made of. `handle.uri` repeats its address, user name and `tls-` parameters. Set by
   * `transportFromUri`.
   */
  readonly uri?: NbdUri | undefined
}

/** Handshake flags of the client ("Newstyle negotiation"). */
export interface HandshakeFlags {
  /**
   * NBD_FLAG_C_FIXED_NEWSTYLE: without it, the only option is NBD_OPT_EXPORT_NAME.
   * @default true
   */
  readonly fixedNewstyle: boolean
  /**
   * NBD_FLAG_C_NO_ZEROES: the server omits 124 zero bytes after NBD_OPT_EXPORT_NAME.
   * @default true
   */
  readonly noZeroes: boolean
}

/** Options with every default filled in. */
export interface ParsedOptions {
  readonly name: string | undefined
  readonly exportName: string
  readonly secretExportName: boolean
  readonly fullInfo: boolean
  readonly requestBlockSize: boolean
  readonly requestStructuredReplies: boolean
  readonly requestExtendedHeaders: boolean
  readonly requestMetaContext: boolean
  readonly metaContexts: readonly string[]
  readonly requireMetaContexts: boolean
  readonly tls: 'disable' | 'allow' | 'require'
  readonly tlsProvider: TlsProvider | undefined
  readonly handshakeFlags: HandshakeFlags
  readonly strict: StrictChecks
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly allocate: Allocate | undefined
  readonly uri: NbdUri | undefined
}

/** The options of a handle with every default filled in, as changed by its setters. */
export type ResolvedOptions = Omit<ParsedOptions, 'name' | 'tlsProvider' | 'allocate' | 'uri'>

const handleShape = {
  name: option.string(),
  exportName: option.string(''),
  secretExportName: option.boolean(false),
  fullInfo: option.boolean(false),
  requestBlockSize: option.boolean(true),
  requestStructuredReplies: option.boolean(true),
  requestExtendedHeaders: option.boolean(true),
  requestMetaContext: option.boolean(true),
  metaContexts: option.array(option.string(), []),
  requireMetaContexts: option.boolean(true),
  tls: option.oneOf(['disable', 'allow', 'require'], 'disable'),
  tlsProvider: option.any(),
  handshakeFlags: option.object({ fixedNewstyle: option.boolean(true), noZeroes: option.boolean(true) }),
  strict: option.booleans({
    commands: true,
    flags: true,
    bounds: true,
    zeroSize: true,
    align: true,
    payload: true,
    autoFlag: true,
  }),
  limits: option.object({
    inFlightCommands: option.integer({ min: 1 }, defaultLimits.inFlightCommands),
    inFlightBytes: option.integer({ min: 1 }, defaultLimits.inFlightBytes),
    optionReplyBytes: option.integer({ min: 1 }, defaultLimits.optionReplyBytes),
    optionTotalBytes: option.integer({ min: 1 }, defaultLimits.optionTotalBytes),
    listEntries: option.integer({ min: 1 }, defaultLimits.listEntries),
    extents: option.integer({ min: 1 }, defaultLimits.extents),
  }),
  timeouts: option.object({
    dialMs: option.milliseconds(30_000),
    handshakeMs: option.milliseconds(30_000),
    requestMs: option.milliseconds(0),
    commandMs: option.milliseconds(0),
    closeMs: option.milliseconds(5_000),
  }),
  allocate: option.function<Allocate>(),
  uri: option.instance<NbdUri>(
    'a URI of parseUri()',
    (value) => Object(value) === value && toUriAddress(value as NbdUri) !== undefined,
  ),
}

const connectShape = { ...handleShape, signal: option.signal(), onHandle: option.function() }

/** The calls that take the options of a handle, and the options that each of them takes. */
const shapes = {
  Handle: handleShape,
  connect: connectShape,
  negotiate: connectShape,
  connectUri: { ...connectShape, transports: option.any(), allow: option.any() },
}

/** A call that takes the options of a handle. Its name begins the messages. */
export type OptionsCall = 'Handle' | 'connect' | 'negotiate' | 'connectUri'

/** Checks the options of a handle once, when it is made. */
export function parseOptions(call: OptionsCall, options: unknown): ParsedOptions {
  const checked = checkOptions(call, shapes[call] as typeof shapes.connectUri, options)
  const { signal, onHandle, transports, allow, tls, tlsProvider, ...others } = checked
  checkName(call, 'exportName', checked.exportName, checked.secretExportName)
  checked.metaContexts.forEach((name, index) => {
    checkQuery(call, `metaContexts.${index}`, name)
  })
  checkTlsProvider(call, tls, tlsProvider)
  return { ...others, name: others.name, allocate: others.allocate, uri: others.uri, tls, tlsProvider }
}

function checkTlsProvider(
  call: string,
  tls: string,
  provider: unknown,
): asserts provider is TlsProvider | undefined {
  if (provider === undefined) {
    if (tls === 'disable') return
    throw new NbdUsageError(`${call}: tls: '${tls}' needs tlsProvider`, {
      hint: 'use nodeTls() of @nbdjs/tls',
    })
  }
  const { role, upgrade } = Object(provider) as Partial<TlsProvider>
  if (typeof upgrade !== 'function') throw argumentError(call, 'tlsProvider', 'a TlsProvider', provider)
  if (role !== 'client') throw argumentError(call, 'tlsProvider.role', "'client'", role)
}

/** "Conventions": a name has at most 4096 bytes of UTF-8 and no NUL. */
export function checkName(
  call: string,
  argument: string,
  name: unknown,
  secret = false,
): asserts name is string {
  if (typeof name !== 'string') throw argumentError(call, argument, 'a string', name, { secret })
  // A lone surrogate would be encoded as U+FFFD: the name of another export.
  if (/[\0\p{Surrogate}]/u.test(name)) {
    throw argumentError(call, argument, 'a string without NUL and without a lone surrogate', name, {
      secret,
    })
  }
  const { length } = encodeText(name)
  if (length <= MAX_STRING_BYTES) return
  throw argumentError(call, argument, `at most ${MAX_STRING_BYTES} bytes of UTF-8`, length, {
    errno: 'ENAMETOOLONG',
  })
}

/**
 * "NBD_OPT_LIST_META_CONTEXT", "Metadata querying": a query begins with a namespace, which is printable, and a colon. A
 * server may reject the whole request because of one query without, and a misspelt one would go unnoticed.
 */
export function checkQuery(call: string, argument: string, query: unknown): asserts query is string {
  checkName(call, argument, query)
  if (/^[^\s\p{C}:]+:/u.test(query)) return
  throw argumentError(call, argument, 'a namespace and a colon, such as base:allocation', query)
}
