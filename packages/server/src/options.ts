import { argumentError, checkOptions, option, type TlsProvider } from '@nbdjs/core'
import type { Backend } from './backend/backend.js'
import type { Fault } from './faults/fault.js'

/**
 * What the server offers. An option that is off is unknown to the server (NBD_REP_ERR_UNSUP); a flag that is off is not
 * announced, and the command that it exposes is rejected. Everything but `requireBlockSize` is on by default.
 */
export interface ServerFeatures {
  /** NBD_FLAG_FIXED_NEWSTYLE. Without it, clients may send no option but NBD_OPT_EXPORT_NAME. */
  readonly fixedNewstyle: boolean
  /** NBD_FLAG_NO_ZEROES: omits the 124 zeroes after the reply to NBD_OPT_EXPORT_NAME. */
  readonly noZeroes: boolean
  /** NBD_OPT_EXPORT_NAME. Without it, the server disconnects clients that send it. */
  readonly exportName: boolean
  /** NBD_OPT_LIST. */
  readonly list: boolean
  /** NBD_OPT_GO. */
  readonly go: boolean
  /** NBD_OPT_INFO. Follows `go` unless it is set. */
  readonly info: boolean
  /** NBD_INFO_NAME, when the client requests it. */
  readonly infoName: boolean
  /** NBD_INFO_DESCRIPTION, when the client requests it. */
  readonly infoDescription: boolean
  /** NBD_INFO_BLOCK_SIZE, when the client requests it, and for every export whose constraints are not the defaults. */
  readonly infoBlockSize: boolean
  /**
   * NBD_REP_ERR_BLOCK_SIZE_REQD to clients that select an export with own block size constraints without requesting them.
   * @default false, because it excludes clients that do not know the constraints
   */
  readonly requireBlockSize: boolean
  /** NBD_OPT_STRUCTURED_REPLY. */
  readonly structuredReplies: boolean
  /** NBD_OPT_EXTENDED_HEADERS. Follows `structuredReplies` unless it is set. */
  readonly extendedHeaders: boolean
  /** NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT. */
  readonly metaContexts: boolean
  /** NBD_CMD_BLOCK_STATUS. Without it, the command is rejected even if contexts were selected. */
  readonly blockStatus: boolean
  /** NBD_FLAG_BLOCK_STATUS_PAYLOAD: block status of some of the selected contexts, with extended headers. */
  readonly blockStatusPayload: boolean
  /** NBD_FLAG_SEND_DF, for exports whose maximum request is at least 65536 bytes. */
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

/** Limits of what one client, and all clients together, can make the server hold. All are integers of at least 1. */
export interface ServerLimits {
  /**
   * Open connections. A further one is closed at once.
   * @default 1024
   */
  readonly connections: number
  /**
   * Open connections of one peer: one IPv4 address, or one IPv6 /64 prefix. A further one is closed at once. Connections
   * whose peer is not known are not counted: those over unix sockets, and those passed to `accept()` without a peer.
   * @default 256
   */
  readonly connectionsPerPeer: number
  /**
   * Bytes that are held for all connections together: data of writes that has arrived, data of reads in flight, replies
   * that the clients do not take, and 512 bytes for each outstanding request. Once they exceed it, the connection that holds
   * the most is destroyed: the largest of the peer that holds the most. Reads wait before that.
   * @default 1073741824 (1 GiB)
   */
  readonly totalBytes: number
  /**
   * Backend calls in flight, per connection. Further requests wait.
   * @default 64
   */
  readonly inFlight: number
  /**
   * Bytes of reads in flight, per connection. A read that exceeds it waits, unless it is the only one.
   * @default 67108864 (64 MiB)
   */
  readonly readBytes: number
  /**
   * Requests in flight and waiting, per connection. A client that sends more is disconnected, because a connection cannot
   * be paused.
   * @default 16384
   */
  readonly requests: number
  /**
   * Bytes of writes in flight and waiting, per connection. A client that sends more is disconnected, because a connection
   * cannot be paused.
   * @default 268435456 (256 MiB)
   */
  readonly writeBytes: number
  /**
   * Options in one handshake. A client that sends more is disconnected.
   * @default 1024
   */
  readonly options: number
}

/** Timeouts in milliseconds; 0 for none. A client that exceeds one is disconnected. */
export interface ServerTimeouts {
  /**
   * From the connection to the selection of an export.
   * @default 60000
   */
  readonly handshakeMs: number
  /**
   * From the first byte of an option or a request to its last one; for data, from one 64 KiB of it to the next. A client
   * that is idle between requests is not affected.
   * @default 60000
   */
  readonly requestMs: number
  /**
   * For a connection to close: after the client's last request, for the client to close it; after `Server.close()`, for the
   * requests in flight as well. With 0, `close()` waits for as long as a client keeps its connection open.
   * @default 5000
   */
  readonly closeMs: number
}

/**
 * Whether TLS is offered, for all exports. `off`: NBD_OPT_STARTTLS is unknown. `optional`: clients may start TLS; an active
 * attacker can prevent it (STARTTLS stripping). `required`: no other option is answered before TLS (the specification's
 * FORCEDTLS). Where only some exports need TLS (SELECTIVETLS), use two servers.
 */
export type TlsMode = 'off' | 'optional' | 'required'

/** The client that an error or a debug line is about. */
export interface ServerClient {
  /** The address that was passed to `accept()`: `tcp://192.0.2.1:51234`. */
  readonly address: string
  /** The name of the selected export; undefined before one is selected. */
  readonly exportName: string | undefined
}

/** The options of a {@link Server}. */
export interface ServerOptions {
  /** The exports by name. The client receives the name and the description. */
  readonly exports: Readonly<Record<string, Backend>>
  /**
   * The name of the export that clients get for the empty name.
   * @default ''
   */
  readonly defaultExport?: string | undefined
  /**
   * Whether TLS is offered.
   * @default 'required' with a `tlsProvider`, else 'off'
   */
  readonly tls?: TlsMode | undefined
  /** The server side of TLS: `nodeTlsServer()` of `@nbdjs/tls`. */
  readonly tlsProvider?: TlsProvider | undefined
  /** What the server offers. */
  readonly features?: Partial<ServerFeatures> | undefined
  /** Limits per client, and for all clients together. */
  readonly limits?: Partial<ServerLimits> | undefined
  /** Timeouts in milliseconds. */
  readonly timeouts?: Partial<ServerTimeouts> | undefined
  /**
   * Faults of the server, for tests of clients: see `@nbdjs/server/faults`.
   * @default []
   */
  readonly faults?: readonly Fault[] | undefined
  /**
   * Called for each error: a client that broke the protocol or exceeded a limit (it was disconnected), a connection that
   * failed, a bug of a backend. The server continues. An exception of the callback becomes an uncaught exception.
   *
   * @param error The error; its message names the limit, the timeout or the rule.
   * @param client The client; undefined if a listening socket failed.
   */
  readonly onError?: ((error: Error, client: ServerClient | undefined) => void) | undefined
  /**
   * Called with one line of text for each connection that opens, closes, selects an export, is disconnected or has to wait
   * because of a limit. The texts are for people and may change with any release.
   *
   * @param message The line. Control characters of the peer are escaped.
   * @param client The client; undefined if a listening socket failed.
   */
  readonly onDebug?: ((message: string, client: ServerClient | undefined) => void) | undefined
}

/** The options with all defaults filled in. */
export interface ResolvedOptions {
  readonly exports: Readonly<Record<string, Backend>>
  readonly defaultExport: string
  readonly features: ServerFeatures
  readonly limits: ServerLimits
  readonly timeouts: ServerTimeouts
  readonly tls: TlsMode
  readonly tlsProvider: TlsProvider | undefined
  readonly faults: readonly Fault[]
  readonly onError: ServerOptions['onError']
  readonly onDebug: ServerOptions['onDebug']
}

const limit = (byDefault: number) => option.integer({ min: 1 }, byDefault)

const shape = {
  exports: option.any(),
  defaultExport: option.string(''),
  tls: option.oneOf(['off', 'optional', 'required']),
  tlsProvider: option.any(),
  features: option.object({
    fixedNewstyle: option.boolean(true),
    noZeroes: option.boolean(true),
    exportName: option.boolean(true),
    list: option.boolean(true),
    go: option.boolean(true),
    info: option.boolean(),
    infoName: option.boolean(true),
    infoDescription: option.boolean(true),
    infoBlockSize: option.boolean(true),
    requireBlockSize: option.boolean(false),
    structuredReplies: option.boolean(true),
    extendedHeaders: option.boolean(),
    metaContexts: option.boolean(true),
    blockStatus: option.boolean(true),
    blockStatusPayload: option.boolean(true),
    df: option.boolean(true),
    flush: option.boolean(true),
    fua: option.boolean(true),
    trim: option.boolean(true),
    zero: option.boolean(true),
    fastZero: option.boolean(true),
    cache: option.boolean(true),
    multiConn: option.boolean(true),
  }),
  limits: option.object({
    connections: limit(1024),
    connectionsPerPeer: limit(256),
    totalBytes: limit(1024 * 1024 * 1024),
    inFlight: limit(64),
    readBytes: limit(64 * 1024 * 1024),
    requests: limit(16384),
    writeBytes: limit(256 * 1024 * 1024),
    options: limit(1024),
  }),
  timeouts: option.object({
    handshakeMs: option.milliseconds(60_000),
    requestMs: option.milliseconds(60_000),
    closeMs: option.milliseconds(5000),
  }),
  faults: option.array(option.function<Fault>(), []),
  onError: option.function<NonNullable<ServerOptions['onError']>>(),
  onDebug: option.function<NonNullable<ServerOptions['onDebug']>>(),
}

/** Throws a NbdUsageError for an option that is unknown or invalid. The exports are checked by the table of exports. */
export function resolveOptions(options: ServerOptions): ResolvedOptions {
  const checked = checkOptions('Server', shape, options)
  const { go, info, structuredReplies, extendedHeaders } = checked.features
  const tlsProvider = checked.tlsProvider as TlsProvider | undefined
  return {
    ...checked,
    // Checked by the table of exports.
    exports: checked.exports as ServerOptions['exports'],
    features: {
      ...checked.features,
      info: info ?? go,
      extendedHeaders: extendedHeaders ?? structuredReplies,
    },
    tls: resolveTls(checked.tls, tlsProvider),
    tlsProvider,
  }
}

function resolveTls(tls: TlsMode | undefined, provider: TlsProvider | undefined): TlsMode {
  const mode = tls ?? (provider === undefined ? 'off' : 'required')
  if (mode === 'off') return mode
  const { role, upgrade } = Object(provider) as Partial<TlsProvider>
  if (role === 'server' && typeof upgrade === 'function') return mode
  const expected = `the server side of TLS if tls is '${mode}': nodeTlsServer() of @nbdjs/tls`
  throw argumentError('Server', 'tlsProvider', expected, provider, {
    ...(role === 'client' ? { receivedText: 'the client side of TLS' } : {}),
  })
}
