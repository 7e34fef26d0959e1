import { NbdUsageError, type TlsProvider } from '@nbdjs/core'
import type { Backend } from './backend/backend.js'
import type { Fault } from './faults/fault.js'

/**
 * What the server offers. Everything is on, so that a test switches off what it wants to do without; an option
 * that is off is unknown to the server (NBD_REP_ERR_UNSUP), a flag that is off is not announced and what it
 * stands for is refused.
 */
export interface ServerFeatures {
  /** NBD_FLAG_FIXED_NEWSTYLE. Without it, NBD_OPT_EXPORT_NAME is all that a client may ask for. */
  readonly fixedNewstyle: boolean
  /** NBD_FLAG_NO_ZEROES: spares the 124 zeroes behind the answer to NBD_OPT_EXPORT_NAME. */
  readonly noZeroes: boolean
  /** NBD_OPT_EXPORT_NAME. Without it, the server hangs up on clients that use it. */
  readonly exportName: boolean
  /** NBD_OPT_LIST. */
  readonly list: boolean
  /** NBD_OPT_GO. */
  readonly go: boolean
  /** NBD_OPT_INFO. Goes with `go` unless it is set. */
  readonly info: boolean
  /** NBD_INFO_NAME, when the client asks for it. */
  readonly infoName: boolean
  /** NBD_INFO_DESCRIPTION, when the client asks for it. */
  readonly infoDescription: boolean
  /** NBD_INFO_BLOCK_SIZE, when the client asks for it, and wherever the export has size constraints of its own. */
  readonly infoBlockSize: boolean
  /**
   * NBD_REP_ERR_BLOCK_SIZE_REQD to a client that enters an export with size constraints of its own without
   * asking for them. The only feature that is off by default, for it locks clients out.
   */
  readonly requireBlockSize: boolean
  /** NBD_OPT_STRUCTURED_REPLY. */
  readonly structuredReplies: boolean
  /** NBD_OPT_EXTENDED_HEADERS. Goes with `structuredReplies` unless it is set. */
  readonly extendedHeaders: boolean
  /** NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT. */
  readonly metaContexts: boolean
  /** NBD_CMD_BLOCK_STATUS. Without it, a client that selected contexts is refused when it asks. */
  readonly blockStatus: boolean
  /** NBD_FLAG_BLOCK_STATUS_PAYLOAD: block status of some of the selected contexts, with extended headers. */
  readonly blockStatusPayload: boolean
  /** NBD_FLAG_SEND_DF, of exports that let 65536 bytes be read at once. */
  readonly df: boolean
  /** NBD_FLAG_SEND_FLUSH. */
  readonly flush: boolean
  /** NBD_FLAG_SEND_FUA. */
  readonly fua: boolean
  /** NBD_FLAG_SEND_TRIM. */
  readonly trim: boolean
  /** NBD_FLAG_SEND_WRITE_ZEROES. */
  readonly zero: boolean
  /** NBD_FLAG_SEND_FAST_ZERO. */
  readonly fastZero: boolean
  /** NBD_FLAG_SEND_CACHE. */
  readonly cache: boolean
  /** NBD_FLAG_CAN_MULTI_CONN. */
  readonly multiConn: boolean
}

/** What one client can make the server hold, and how many clients there can be. */
export interface ServerLimits {
  /** Connections at a time. One more is closed at once. Default: 1024. */
  readonly connections: number
  /** Backend calls under way, per connection. Further requests wait. Default: 64. */
  readonly inFlight: number
  /** Bytes of reads under way, per connection: a read that exceeds it waits, unless it is alone. Default: 64 MiB. */
  readonly readBytes: number
  /**
   * Requests under way and waiting, per connection. A connection cannot be paused, so a client that sends more
   * is destroyed. Default: 16384.
   */
  readonly requests: number
  /**
   * Bytes of writes under way and waiting, per connection. A connection cannot be paused, so a client that sends
   * more is destroyed. Default: 256 MiB.
   */
  readonly writeBytes: number
  /** Options per handshake. A client that asks for more is destroyed. Default: 1024. */
  readonly options: number
}

/** In milliseconds; 0 for none. */
export interface ServerTimeouts {
  /** A client that has not chosen its export by then is destroyed. Default: 60000. */
  readonly handshakeMs: number
  /**
   * How long a connection may take to close: after the client's farewell for the client to hang up, and after
   * `Server.close()` for what is under way. It is destroyed then. Default: 5000.
   */
  readonly closeMs: number
}

/**
 * `off`: NBD_OPT_STARTTLS is unknown. `optional`: clients may start TLS, and somebody in between can keep them from it.
 * `required`: nothing else is answered before (the specification's FORCEDTLS). It goes for all exports; where only some
 * of them need TLS (SELECTIVETLS), they need a server of their own.
 */
export type TlsMode = 'off' | 'optional' | 'required'

/** Whom an error is about. */
export interface ServerClient {
  /** Where the connection came from, as given to `accept`. */
  readonly address: string
  /** The export that it uses; undefined before it has chosen one. */
  readonly exportName: string | undefined
}

export interface ServerOptions {
  /** The exports, by name. */
  readonly exports: Readonly<Record<string, Backend>>
  /** The name of the export that the empty name leads to. Default: the one whose name is empty, if there is one. */
  readonly defaultExport?: string
  /** Default: `required` if there is a `tlsProvider`, else `off`. */
  readonly tls?: TlsMode
  /** Speaks TLS, the server's side of it: `nodeTlsServer()` of `@nbdjs/tls`. */
  readonly tlsProvider?: TlsProvider
  readonly features?: Partial<ServerFeatures>
  readonly limits?: Partial<ServerLimits>
  readonly timeouts?: Partial<ServerTimeouts>
  /** Makes the server misbehave, for tests of clients: see `@nbdjs/server/faults`. */
  readonly faults?: readonly Fault[]
  /**
   * Told about everything that goes wrong: a client that broke the protocol or exceeded a limit (it was
   * destroyed), a connection that failed, a backend that threw what is no answer to a client. The server goes
   * on. `client` is undefined when a listening socket failed. What the hook throws is thrown again outside of
   * the server, as an uncaught exception.
   */
  readonly onError?: (error: Error, client: ServerClient | undefined) => void
}

const defaultLimits: ServerLimits = {
  connections: 1024,
  inFlight: 64,
  readBytes: 64 * 1024 * 1024,
  requests: 16384,
  writeBytes: 256 * 1024 * 1024,
  options: 1024,
}

const defaultTimeouts: ServerTimeouts = { handshakeMs: 60_000, closeMs: 5000 }

/** The options that are plain values, with the defaults filled in. */
export interface ResolvedOptions {
  readonly features: ServerFeatures
  readonly limits: ServerLimits
  readonly timeouts: ServerTimeouts
  readonly tls: TlsMode
}

/** Throws a NbdUsageError for a name that is not known and for a value that makes no sense. */
export function resolveOptions(options: ServerOptions): ResolvedOptions {
  const known = [
    'exports',
    'defaultExport',
    'tls',
    'tlsProvider',
    'features',
    'limits',
    'timeouts',
    'faults',
    'onError',
  ]
  for (const name of Object.keys(options)) if (!known.includes(name)) throw unknownOption(name, known)
  const features = featuresOf(options.features ?? {})
  const limits = merged('limits', defaultLimits, options.limits ?? {})
  const timeouts = merged('timeouts', defaultTimeouts, options.timeouts ?? {})
  for (const [name, value] of Object.entries(limits)) checkInteger(`limits.${name}`, value, 1)
  for (const [name, value] of Object.entries(timeouts)) checkInteger(`timeouts.${name}`, value, 0)
  return { features, limits, timeouts, tls: tlsModeOf(options) }
}

const tlsModes: readonly TlsMode[] = ['off', 'optional', 'required']

function tlsModeOf({ tls, tlsProvider }: ServerOptions): TlsMode {
  const mode = tls ?? (tlsProvider === undefined ? 'off' : 'required')
  if (!tlsModes.includes(mode)) {
    throw new NbdUsageError(`tls is ${String(mode)}: expected one of ${tlsModes.join(', ')}`)
  }
  if (mode === 'off') return mode
  const { role, upgrade } = Object(tlsProvider) as Partial<TlsProvider>
  if (role === 'server' && typeof upgrade === 'function') return mode
  throw new NbdUsageError(
    `tls is ${mode}: expected tlsProvider to be the server's side of TLS, such as nodeTlsServer() of @nbdjs/tls`,
  )
}

function featuresOf(chosen: Partial<ServerFeatures>): ServerFeatures {
  const go = chosen.go ?? true
  const structuredReplies = chosen.structuredReplies ?? true
  const defaults: ServerFeatures = {
    fixedNewstyle: true,
    noZeroes: true,
    exportName: true,
    list: true,
    go,
    info: go,
    infoName: true,
    infoDescription: true,
    infoBlockSize: true,
    requireBlockSize: false,
    structuredReplies,
    extendedHeaders: structuredReplies,
    metaContexts: true,
    blockStatus: true,
    blockStatusPayload: true,
    df: true,
    flush: true,
    fua: true,
    trim: true,
    zero: true,
    fastZero: true,
    cache: true,
    multiConn: true,
  }
  const features = merged('features', defaults, chosen)
  for (const [name, value] of Object.entries(features)) {
    if (typeof value !== 'boolean')
      throw new NbdUsageError(`features.${name} is ${value}: expected a boolean`)
  }
  return features
}

/** `undefined` counts as not given. */
function merged<T extends object>(group: string, defaults: T, chosen: Partial<T>): T {
  const names = Object.keys(defaults)
  for (const name of Object.keys(chosen)) {
    if (!names.includes(name)) throw unknownOption(`${group}.${name}`, names)
  }
  const given = Object.entries(chosen).filter(([, value]) => value !== undefined)
  return { ...defaults, ...Object.fromEntries(given) }
}

function unknownOption(name: string, known: readonly string[]): NbdUsageError {
  return new NbdUsageError(`${name} is no option of a server: expected one of ${known.join(', ')}`)
}

function checkInteger(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return
  throw new NbdUsageError(`${name} is ${value}: expected a whole number, at least ${least}`)
}
