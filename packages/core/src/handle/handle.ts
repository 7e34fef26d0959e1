import { EventEmitter } from 'eventemitter3'
import {
  messageOf,
  NbdClosedError,
  NbdError,
  NbdProtocolError,
  NbdStateError,
  NbdUsageError,
} from '../errors.js'
import { onAbort } from '../on-abort.js'
import {
  checkName,
  checkQuery,
  type HandleOptions,
  type OptionsCall,
  type ParsedOptions,
  parseOptions,
  type ResolvedOptions,
  type StrictChecks,
} from '../options.js'

import type { ExportInfo } from '../protocol/export-info.js'
import type { NegotiationSettings } from '../protocol/negotiation/negotiation.js'
import type { Operation, OperationResults } from '../protocol/negotiation/operations.js'
import type { ExportList } from '../protocol/negotiation/opt-list.js'
import { isOver, type Phase } from '../protocol/phase.js'
import { SECRET } from '../protocol/secret.js'
import type { SessionInfo, Stats } from '../protocol/session.js'
import type { Bytes, ReadChunk } from '../protocol/transmission/command.js'
import type { Extent, ExtentCollector } from '../protocol/transmission/extents.js'
import { escapeUnprintable } from '../quote.js'
import type { Connection, Transport, UriAddress } from '../transport.js'
import { UpgradableConnection } from '../upgrade.js'
import { formatConnectionUri } from '../uri/format.js'
import { toUriAddress } from '../uri/rules.js'
import { addCaller } from './caller-stack.js'
import {
  blockStatusPayload,
  type CheckContext,
  type CommandOptions,
  type CommandRule,
  checkBoolean,
  checkCommand,
  checkLength,
  checkOffset,
  checkQueries,
  checkTransport,
  chunkedDestination,
  dataArgument,
  destinationArgument,
  flagsToSend,
  lengthArgument,
  noArgument,
  type PayloadParser,
  parseBlockStatusOptions,
  parseCommandOptions,
  parseShutdownOptions,
  parseSignal,
  rules,
} from './commands.js'
import { ConnectionDriver } from './connection-driver.js'
import { dial } from './dial.js'
import type { PendingCommand } from './pending-command.js'
import { allowedDuringShutdown, type CallKind, type HandleState, legalStates, stateOf } from './state.js'
import { isError } from './transport-breach.js'

/**
 * The events of a handle and the arguments of their listeners. A listener may call the handle. What it throws is
 * reported as an uncaught exception and does not affect the connection.
 */
export interface HandleEvents {
  /** Emitted at every change, in order. If several changes come at once, `handle.state` is already the last one. */
  state: [next: HandleState, previous: HandleState]
  /**
   * A line for each message of the protocol, without the payload of reads and writes, and for each change of phase:
   * `nbd1: -> READ cookie=0x100000000 offset=0 length=4096`. Texts of the peer are escaped and cut. The format may
   * change with any release. It costs nothing without a listener.
   */
  debug: [message: string]
  /** The handle is `closed`, and so is the connection. */
  close: []
  /** The handle is `dead`, and why. */
  dead: [error: Error]
}

/** The options of a call that takes a signal only. */
export interface SignalOptions {
  /** Aborts the call: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** The options of {@link Handle.pwrite} and {@link Handle.trim}. */
export interface WriteOptions extends CommandOptions {
  /** Reply only once the data is on stable storage (NBD_CMD_FLAG_FUA; needs `info.canFua`). */
  readonly fua?: boolean | undefined
}

/** The options of {@link Handle.zero}. */
export interface ZeroOptions extends WriteOptions {
  /** Keep the range allocated (NBD_CMD_FLAG_NO_HOLE). */
  readonly noHole?: boolean | undefined
  /** Fail with ENOTSUP rather than be as slow as a write (NBD_CMD_FLAG_FAST_ZERO; needs `info.canFastZero`). */
  readonly fastZero?: boolean | undefined
}

/** The options of {@link Handle.preadStructured}. */
export interface StructuredReadOptions extends CommandOptions {
  /** One content chunk at most (NBD_CMD_FLAG_DF; needs `info.canDf`). The server may refuse with EOVERFLOW. */
  readonly df?: boolean | undefined
}

/** The options of {@link Handle.blockStatus}. */
export interface BlockStatusOptions extends CommandOptions {
  /** Names out of `info.metaContexts`, at least one. Default: all of them. */
  readonly contexts?: readonly string[] | undefined
  /** One extent for each context, and no longer than the range (NBD_CMD_FLAG_REQ_ONE). */
  readonly reqOne?: boolean | undefined
}

/** The options of {@link Handle.shutdown}. */
export interface ShutdownOptions extends SignalOptions {
  /** Commands that were not yet sent fail with an NbdClosedError instead of being sent. */
  readonly abandonPending?: boolean | undefined
}

/** The options of {@link connect} and {@link negotiate}: those of a handle, and these. */
export interface ConnectOptions extends HandleOptions, SignalOptions {
  /**
   * Receives the handle before the dial, to listen to the events of the handshake or of a dial that fails. What it throws
   * rejects the promise.
   */
  readonly onHandle?: ((handle: Handle) => void) | undefined
}

let handlesMade = 0

/**
 * An NBD connection, from the dial to its end. It is never reused: to connect again, make another one.
 *
 * Any number of commands may be in flight. Each promise settles on its own, in the order of the replies.
 *
 * @example
 * ```ts
 * const nbd = new Handle({ exportName: 'disk' })
 * nbd.on('debug', (message) => console.log(message))
 * await nbd.connect(tcp('localhost'))
 * const head = await nbd.pread(4096, 0)
 * await nbd.shutdown()
 * ```
 */
export class Handle extends EventEmitter<HandleEvents> {
  /** The name at the beginning of each debug message. */
  readonly name: string
  /**
   * Resolves once the handle is `closed`, as `shutdown()` and `optAbort()` leave it. Rejects with the reason once it is
   * `dead`: the connection was lost ({@link NbdError.isConnectionLost}), or `destroy()` was called, or the dial or the
   * handshake failed. A rejection that is not handled is ignored.
   */
  readonly closed: Promise<void>

  readonly #options: ParsedOptions
  readonly #settings: NegotiationSettings
  /** Aborts the dial. */
  readonly #dialling: AbortController = new AbortController()
  /** The state and its reason while there is no driver. */
  #preConnectState: 'created' | 'connecting' | 'dead' = 'created'
  #preConnectError: Error | undefined
  #driver: ConnectionDriver | undefined
  /** The address of the server, if a URI can express it. */
  #address: UriAddress | undefined
  /** What commands are checked by. It is constant from the first command on. */
  #checkContext: CheckContext | undefined
  /** `destroy()` ended the connection: it was not lost. */
  #isDestroyed = false
  #settleClosed!: { readonly resolve: () => void; readonly reject: (error: Error) => void }

  /**
   * @param options The options. Every one is checked.
   * @throws {NbdUsageError} An option is unknown or invalid.
   */
  constructor(options?: HandleOptions)
  /** @internal `call` begins the messages about `options`. */
  constructor(options: ConnectOptions | undefined, call: OptionsCall)
  constructor(options: ConnectOptions | undefined, call: OptionsCall = 'Handle') {
    super()
    this.#options = parseOptions(call, options)
    const { uri } = this.#options
    if (uri !== undefined) this.#address = toUriAddress(uri)
    this.name = this.#options.name ?? `nbd${++handlesMade}`
    // A copy: the setters change it.
    this.#settings = { ...this.#options }
    this.closed = new Promise((resolve, reject) => {
      this.#settleClosed = { resolve, reject }
    })
    // A failure also rejects every call that it affects, so an unhandled rejection here is ignored.
    this.closed.catch(() => {})
  }

  // --- information ---------------------------------------------------------------------------------------

  /** The state, which every call depends on: see {@link HandleState}. */
  get state(): HandleState {
    return this.#driver === undefined ? this.#preConnectState : stateOf[this.#driver.protocol.phase]
  }

  /**
   * The options with every default filled in, as changed by the setters: a copy, in any state. What was negotiated is
   * in `info` and `session`. A secret export name is masked.
   */
  get settings(): ResolvedOptions {
    const { name, tlsProvider, uri, allocate, ...settings } = { ...this.#options, ...this.#settings }
    if (settings.secretExportName) settings.exportName = SECRET
    return structuredClone(settings)
  }

  /**
   * What the server sent about the export. Known from `ready` on, and while negotiating after a successful `optInfo`,
   * until another name is set. Still known when `closed`.
   *
   * @throws {NbdStateError} It is not known.
   */
  get info(): ExportInfo {
    const { protocol } = this.#requireDriver('ask', 'info')
    if (protocol.info !== undefined) return protocol.info
    const what = `export ${protocol.exportLabel} is not known yet`
    throw this.#stateError('info', what, 'optInfo() and optGo() ask for its size and flags')
  }

  /**
   * Tests whether `blockStatus` reports a meta context.
   *
   * @param name The exact name of the context: `base:allocation`.
   * @returns Whether the server provides it.
   * @throws {NbdStateError} `metaContexts` asks for contexts and the server has not answered which it provides: before
   * `optInfo`, `optGo` or `optSetMetaContext` succeeds, and again after a refusal or for another export.
   * @throws {NbdUsageError} `name` is not a name.
   */
  canMetaContext(name: string): boolean {
    const { protocol } = this.#requireDriver('ask', 'canMetaContext')
    checkName('canMetaContext', 'name', name)
    if (!protocol.areMetaContextsKnown && this.#settings.metaContexts.length > 0) {
      const what = `the meta contexts of export ${protocol.exportLabel} are not known`
      throw this.#stateError(
        'canMetaContext',
        what,
        'optInfo(), optGo() and optSetMetaContext() ask for them',
      )
    }
    return [...protocol.metaContexts.values()].includes(name)
  }

  /**
   * What client and server negotiated, besides the export. Legal in `negotiating`, `ready` and `closed`.
   *
   * @throws {NbdStateError} The handle is in another state.
   */
  get session(): SessionInfo {
    return this.#requireDriver('ask', 'session').protocol.session
  }

  /** Counters of bytes and of protocol messages: 0 before `connect`, kept after the end. */
  get stats(): Stats {
    return (
      this.#driver?.protocol.stats ?? {
        bytesSent: 0,
        bytesReceived: 0,
        chunksSent: 0,
        chunksReceived: 0,
      }
    )
  }

  /** The number of commands that wait for a reply, sent or queued. */
  get inFlight(): number {
    return this.#driver?.protocol.inFlight ?? 0
  }

  /**
   * An NBD URI of the same export: its address, name, user name and `tls-` parameters, as far as `connectUri`, the
   * transport and the TLS provider know them. [nbd_get_uri]
   *
   * The scheme requires TLS if TLS is required or active. The URI has no keys, no passwords and no unknown parameters
   * of the original URI. A user name with a colon is omitted, because it may contain a password. To connect to a URI
   * that names files, `allow.localFiles` is needed.
   *
   * @returns The URI; `undefined` if no URI can express the address: in-process, a child process, a transport without
   * `uri`.
   * @throws {NbdStateError} The handle is `created`: the address is not known yet.
   */
  get uri(): string | undefined {
    this.#require('locate', 'uri')
    if (this.#address === undefined) return undefined
    const { tls, tlsProvider, uri } = this.#options
    const isOn = this.#driver?.protocol.session.tls === true
    const ofProvider = isOn || tls !== 'disable' ? tlsProvider?.uri : undefined
    const { user, ...ofTls } = { ...ofProvider }
    const { exportName, secretExportName } = this.#settings
    const text = formatConnectionUri({
      address: this.#address,
      tls: isOn || tls === 'require',
      exportName: secretExportName ? SECRET : exportName,
      user: uri?.user ?? user,
      tlsParameters: { ...ofTls, ...uri?.tlsParameters },
    })
    return secretExportName ? text.replace(SECRET.replaceAll('*', '%2A'), SECRET) : text
  }

  // --- connecting and negotiating ------------------------------------------------------------------------

  /**
   * Dials and negotiates, to the state `ready`. Legal in `created`.
   *
   * @param transport The way to the server: `tcp('localhost')`.
   * @param options `signal` ends the handle when it aborts.
   * @returns What the server sent about the export.
   * @throws {NbdTransportError} The dial failed or the connection broke.
   * @throws {NbdNegotiationError} Client and server could not agree, or there is no such export.
   * @throws {NbdProtocolError} The server is not an NBD server, or broke the protocol.
   * @throws {NbdStateError} The handle is not `created`.
   * @throws {NbdUsageError} An argument is invalid. After any other failure the handle is `dead` and nothing is open.
   */
  async connect(transport: Transport, options?: SignalOptions): Promise<ExportInfo> {
    return await this.#open('connect', transport, options)
  }

  /**
   * Dials and negotiates, but selects no export: the handle is `negotiating` afterwards, for the opt methods. If the
   * server speaks oldstyle, which has no options, the handle is `ready`. Legal in `created`. [nbd_set_opt_mode]
   *
   * @param transport The way to the server.
   * @param options `signal` ends the handle when it aborts.
   * @throws {NbdError} As {@link Handle.connect}.
   * @example
   * ```ts
   * const handle = new Handle()
   * await handle.negotiate(transport)
   * for (const { name } of await handle.optList()) console.log(name)
   * await handle.optAbort()
   * ```
   */
  async negotiate(transport: Transport, options?: SignalOptions): Promise<void> {
    await this.#open('negotiate', transport, options)
  }

  /**
   * Sets the name of the export. Legal in `created` and `negotiating`, like the other setters.
   *
   * @param exportName The name, at most 4096 bytes of UTF-8.
   * @throws {NbdUsageError} The name is invalid.
   * @throws {NbdStateError} The handle is in another state.
   */
  setExportName(exportName: string): void {
    this.#require('set', 'setExportName')
    checkName('setExportName', 'exportName', exportName, this.#settings.secretExportName)
    if (exportName !== this.#settings.exportName) this.#driver?.protocol.forgetExport()
    this.#settings.exportName = exportName
  }

  /**
   * Sets {@link HandleOptions.fullInfo}.
   *
   * @param fullInfo Whether to request the canonical name and the description.
   */
  setFullInfo(fullInfo: boolean): void {
    this.#require('set', 'setFullInfo')
    this.#settings.fullInfo = checkBoolean('setFullInfo', 'fullInfo', fullInfo)
  }

  /**
   * Sets {@link HandleOptions.requestBlockSize}.
   *
   * @param requestBlockSize Whether to request the block sizes.
   */
  setRequestBlockSize(requestBlockSize: boolean): void {
    this.#require('set', 'setRequestBlockSize')
    this.#settings.requestBlockSize = checkBoolean(
      'setRequestBlockSize',
      'requestBlockSize',
      requestBlockSize,
    )
  }

  /**
   * Sets {@link HandleOptions.requestMetaContext}.
   *
   * @param requestMetaContext Whether `optGo` and `optInfo` select meta contexts.
   */
  setRequestMetaContext(requestMetaContext: boolean): void {
    this.#require('set', 'setRequestMetaContext')
    this.#settings.requestMetaContext = checkBoolean(
      'setRequestMetaContext',
      'requestMetaContext',
      requestMetaContext,
    )
  }

  /**
   * Adds to {@link HandleOptions.metaContexts}.
   *
   * @param query A name or a query: `base:allocation`, `qemu:dirty-bitmap:`.
   * @throws {NbdUsageError} It does not begin with a namespace and a colon.
   */
  addMetaContext(query: string): void {
    this.#require('set', 'addMetaContext')
    checkQuery('addMetaContext', 'query', query)
    this.#settings.metaContexts = [...this.#settings.metaContexts, query]
  }

  /** Clears {@link HandleOptions.metaContexts}. */
  clearMetaContexts(): void {
    this.#require('set', 'clearMetaContexts')
    this.#settings.metaContexts = []
  }

  /**
   * Selects the export and enters `ready`. Sends NBD_OPT_GO, or NBD_OPT_EXPORT_NAME if the server does not support it.
   * Legal in `negotiating`, like the other opt methods.
   *
   * @param options `signal` ends the whole handle when it aborts, because an option that was sent cannot be taken back.
   * @returns What the server sent about the export.
   * @throws {NbdNegotiationError} The server refused. The handle stays `negotiating`: set another name and try again.
   * @throws {NbdStateError} The handle is not `negotiating`.
   */
  async optGo(options?: SignalOptions): Promise<ExportInfo> {
    return await this.#operate('optGo', 'go', options)
  }

  /**
   * Requests what `optGo` would return, without selecting the export: NBD_OPT_INFO.
   *
   * @param options `signal` ends the whole handle when it aborts, because an option that was sent cannot be taken back.
   * @returns What the server sent about the export.
   * @throws {NbdNegotiationError} The server refused.
   * @throws {NbdStateError} The handle is not `negotiating`.
   */
  async optInfo(options?: SignalOptions): Promise<ExportInfo> {
    return await this.#operate('optInfo', 'info', options)
  }

  /**
   * Lists the exports, in the server's order: NBD_OPT_LIST. Exports whose names are not valid UTF-8 are omitted,
   * because no string can name them: `omitted` of the list is their number.
   *
   * @param options `signal` ends the whole handle when it aborts, because an option that was sent cannot be taken back.
   * @returns The names and descriptions.
   * @throws {NbdNegotiationError} The server refused.
   * @throws {NbdStateError} The handle is not `negotiating`.
   * @example
   * ```ts
   * for (const { name, description } of await nbd.optList()) console.log(name, description)
   * ```
   */
  async optList(options?: SignalOptions): Promise<ExportList> {
    return await this.#operate('optList', 'list', options)
  }

  /**
   * Starts TLS: NBD_OPT_STARTTLS. Everything that was negotiated before is void then, structured replies included.
   * `negotiate` has done it unless `tls` is `disable`. A TLS handshake that fails leaves the handle `dead`.
   *
   * @param options `signal` ends the whole handle when it aborts, because an option that was sent cannot be taken back.
   * @returns Whether TLS is active; false if the server refused.
   * @throws {NbdUsageError} The handle has no `tlsProvider`.
   * @throws {NbdStateError} The handle is not `negotiating`, or TLS is active already.
   */
  async optStartTls(options?: SignalOptions): Promise<boolean> {
    const { protocol } = this.#requireDriver('opt', 'optStartTls')
    if (this.#options.tlsProvider === undefined) {
      throw new NbdUsageError('optStartTls: expected options.tlsProvider', {
        hint: 'use nodeTls() of @nbdjs/tls',
      })
    }
    // "Client-side requirements": not a second time.
    if (protocol.session.tls) throw this.#stateError('optStartTls', 'TLS is on already')
    return await this.#operate('optStartTls', 'startTls', options)
  }

  /**
   * Negotiates structured replies: NBD_OPT_STRUCTURED_REPLY. `negotiate` has done it unless `requestStructuredReplies`
   * is false.
   *
   * @param options `signal` ends the whole handle when it aborts, because an option that was sent cannot be taken back.
   * @returns Whether the server agreed.
   * @throws {NbdStateError} The handle is not `negotiating`.
   */
  async optStructuredReply(options?: SignalOptions): Promise<boolean> {
    return await this.#operate('optStructuredReply', 'structuredReply', options)
  }

  /**
   * Negotiates extended headers: NBD_OPT_EXTENDED_HEADERS. `negotiate` has done it unless `requestExtendedHeaders` is
   * false.
   *
   * @param options `signal` ends the whole handle when it aborts, because an option that was sent cannot be taken back.
   * @returns Whether the server agreed.
   * @throws {NbdStateError} The handle is not `negotiating`.
   */
  async optExtendedHeaders(options?: SignalOptions): Promise<boolean> {
    return await this.#operate('optExtendedHeaders', 'extendedHeaders', options)
  }

  /**
   * Lists the meta contexts of the export that match the queries: NBD_OPT_LIST_META_CONTEXT. Changes nothing.
   *
   * @param queries Names or queries. An empty array lists every context. The default is `metaContexts`.
   * @param options `signal` ends the whole handle when it aborts, because an option that was sent cannot be taken back.
   * @returns The names.
   * @throws {NbdNegotiationError} The server refused.
   * @throws {NbdStateError} The handle is not `negotiating`.
   */
  async optListMetaContext(queries?: readonly string[], options?: SignalOptions): Promise<readonly string[]> {
    return await this.#operate('optListMetaContext', 'listMetaContext', options, queries)
  }

  /**
   * Selects the meta contexts of the export that match the queries: NBD_OPT_SET_META_CONTEXT. They are in effect until
   * the next selection; `optInfo` and `optGo` select again unless `requestMetaContext` is false.
   *
   * @param queries Names or queries. The default is `metaContexts`.
   * @param options `signal` ends the whole handle when it aborts, because an option that was sent cannot be taken back.
   * @returns The names that were selected.
   * @throws {NbdNegotiationError} The server refused. ENOTSUP without structured replies: nothing is sent then.
   * @throws {NbdStateError} The handle is not `negotiating`.
   */
  async optSetMetaContext(queries?: readonly string[], options?: SignalOptions): Promise<readonly string[]> {
    return await this.#operate('optSetMetaContext', 'setMetaContext', options, queries)
  }

  /**
   * Ends the handshake with NBD_OPT_ABORT and closes the connection.
   *
   * @param options `signal` ends the whole handle when it aborts, because an option that was sent cannot be taken back.
   * @throws {NbdStateError} The handle is not `negotiating`.
   */
  async optAbort(options?: SignalOptions): Promise<void> {
    const driver = this.#requireDriver('opt', 'optAbort')
    await this.#abortable(parseSignal('optAbort', options), () => this.#beginShutdown(driver))
  }

  // --- commands ------------------------------------------------------------------------------------------

  /**
   * Reads `length` bytes at `offset` into new memory. Rejects unless all bytes were read. Legal in `ready`, like the
   * other commands. For a high throughput see {@link Handle.preadInto}, which reuses memory.
   *
   * @param length 1 to 64 MiB. `length` comes before `offset`, as in libnbd.
   * @param offset Bytes from the start of the export.
   * @param options `signal` and flags by name.
   * @returns The bytes.
   * @throws {NbdServerError} The server replied with an error. The connection stays usable.
   * @throws {NbdUsageError} An argument is invalid, out of bounds or not aligned. Nothing was sent.
   * @throws {NbdStateError} The handle is not `ready`.
   * @throws {NbdError} The connection was lost: `error.isConnectionLost`.
   * @example
   * ```ts
   * const head = await nbd.pread(4096, 0)
   * ```
   */
  pread(length: number | bigint, offset: number | bigint, options?: CommandOptions): Promise<Bytes> {
    return this.#command(rules.pread, offset, options, lengthArgument, length, dataOf)
  }

  /**
   * Reads `buffer.length` bytes at `offset` into `buffer`. Legal in `ready`, like the other commands.
   *
   * The buffer is lent until the promise settles, however it settles; nothing is written to it afterwards. After an error
   * its content is undefined. Long reads go from the connection into the buffer without a copy. They are copied if the
   * promise may settle before the reply, which is with a `signal` or a `timeoutMs` and without `abort: 'settle'`, and into a
   * SharedArrayBuffer, which not every transport accepts.
   *
   * @param buffer The destination, 1 to 64 MiB.
   * @param offset Bytes from the start of the export.
   * @param options `signal`, `abort` and `timeoutMs`.
   * @throws {NbdServerError} The server replied with an error. The connection stays usable.
   * @throws {NbdUsageError} An argument is invalid, out of bounds or not aligned. Nothing was sent.
   * @throws {NbdStateError} The handle is not `ready`.
   * @throws {NbdError} The connection was lost: `error.isConnectionLost`.
   */
  preadInto(buffer: Uint8Array, offset: number | bigint, options?: CommandOptions): Promise<void> {
    return this.#command(rules.preadInto, offset, options, destinationArgument, buffer, nothing)
  }

  /**
   * Reads like `preadInto`, and passes each chunk of the reply on as it arrives: data, a hole, or an error at an
   * offset. Chunks come in the server's order.
   *
   * @param buffer The destination, lent until the promise settles.
   * @param offset Bytes from the start of the export.
   * @param onChunk Receives each chunk. What it throws rejects the promise; the connection stays usable.
   * @param options `signal` and `df`.
   * @throws {NbdServerError} The server replied with an error. The connection stays usable.
   * @throws {NbdUsageError} An argument is invalid, out of bounds or not aligned. Nothing was sent.
   * @throws {NbdStateError} The handle is not `ready`.
   * @throws {NbdError} The connection was lost: `error.isConnectionLost`.
   */
  preadStructured(
    buffer: Uint8Array,
    offset: number | bigint,
    onChunk: (chunk: ReadChunk) => void,
    options?: StructuredReadOptions,
  ): Promise<void> {
    return this.#command(
      rules.preadStructured,
      offset,
      options,
      chunkedDestination,
      { buffer, onChunk },
      nothing,
    )
  }

  /**
   * Reports the status of `length` bytes at `offset` in each meta context. Legal in `ready`; needs a context in
   * `info.metaContexts`.
   *
   * The extents of a context adjoin, beginning at `offset`. A server may describe less than requested (ask again from
   * the end of the last extent), and the last extent may reach further. Extents beyond `limits.extents` are omitted in
   * the same way.
   *
   * @param length Bytes of the range. Without extended headers (`session.extendedHeaders`) at most 4,294,963,200, which
   * is 2^32 - 4096, rounded down to `info.blockSize.minimum`. Up to 2^32 - 1 bytes can be sent, but nbdkit 1.32 ends
   * itself on such a length.
   * @param offset Bytes from the start of the export.
   * @param options `signal`, `contexts` and `reqOne`.
   * @returns The extents by the name of the context.
   * @throws {NbdProtocolError} The reply breaks the rules of block status. The handle stays `ready`.
   * @throws {NbdServerError} The server replied with an error. The connection stays usable.
   * @throws {NbdUsageError} An argument is invalid, out of bounds or not aligned. Nothing was sent.
   * @throws {NbdStateError} The handle is not `ready`.
   * @throws {NbdError} The connection was lost: `error.isConnectionLost`.
   * @example
   * ```ts
   * const map = await nbd.blockStatus(nbd.info.size, 0, { contexts: ['base:allocation'] })
   * for (const { offset, length, flags } of map.get('base:allocation') ?? []) {
   *   if (!(flags & ExtentFlag.Zero)) await nbd.pread(length, offset)
   * }
   * ```
   */
  blockStatus(
    length: number | bigint,
    offset: number | bigint,
    options?: BlockStatusOptions,
  ): Promise<Map<string, Extent[]>> {
    try {
      const { protocol } = this.#requireDriver('command', 'blockStatus')
      const { contexts, isOne, rest } = parseBlockStatusOptions(options)
      const context = {
        info: protocol.info as ExportInfo,
        negotiated: protocol.metaContexts,
        maxExtents: this.#options.limits.extents,
      }
      const target: PayloadParser<number | bigint> = ({ name }, argument, at) => {
        const range = { offset: at, length: checkLength(name, argument), contexts }
        return blockStatusPayload({ ...range, isOne }, context)
      }
      return this.#command(rules.blockStatus, offset, rest, target, length, extentsOf)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Writes `data` at `offset`. Legal in `ready`, like the other commands.
   *
   * The data is lent until the promise settles, however it settles; it is not read afterwards. It is sent without a copy. It
   * is copied when its request is sent if the promise may settle before the reply, which is with a `signal` or a `timeoutMs`
   * and without `abort: 'settle'`, and if it is in a SharedArrayBuffer.
   *
   * **An aborted write may be carried out later**, even after another write to the same place was answered, because a server
   * may carry out requests in any order. To write a range again after an abort, use `abort: 'settle'`: the promise then
   * rejects once nothing of the write can happen any more.
   *
   * @param data At least 1 byte, at most `info.blockSize.payload`.
   * @param offset Bytes from the start of the export.
   * @param options `signal`, `abort`, `timeoutMs` and `fua`.
   * @throws {NbdServerError} The server replied with an error. The connection stays usable.
   * @throws {NbdUsageError} An argument is invalid, out of bounds or not aligned. Nothing was sent.
   * @throws {NbdStateError} The handle is not `ready`.
   * @throws {NbdError} The connection was lost: `error.isConnectionLost`.
   */
  pwrite(data: Uint8Array, offset: number | bigint, options?: WriteOptions): Promise<void> {
    return this.#command(rules.pwrite, offset, options, dataArgument, data, nothing)
  }

  /**
   * Makes `length` bytes at `offset` read as zeroes. Legal in `ready`; needs `info.canZero`.
   *
   * @param length Bytes of the range. Up to 2^32 - 1 without extended headers.
   * @param offset Bytes from the start of the export.
   * @param options `signal`, `fua`, `noHole` and `fastZero`.
   * @throws {NbdServerError} The server replied with an error. The connection stays usable.
   * @throws {NbdUsageError} An argument is invalid, out of bounds or not aligned. Nothing was sent.
   * @throws {NbdStateError} The handle is not `ready`.
   * @throws {NbdError} The connection was lost: `error.isConnectionLost`.
   */
  zero(length: number | bigint, offset: number | bigint, options?: ZeroOptions): Promise<void> {
    return this.#command(rules.zero, offset, options, lengthArgument, length, nothing)
  }

  /**
   * Discards `length` bytes at `offset`: they are undefined afterwards. Legal in `ready`; needs `info.canTrim`.
   *
   * @param length Bytes of the range. Up to 2^32 - 1 without extended headers.
   * @param offset Bytes from the start of the export.
   * @param options `signal` and `fua`.
   * @throws {NbdServerError} The server replied with an error. The connection stays usable.
   * @throws {NbdUsageError} An argument is invalid, out of bounds or not aligned. Nothing was sent.
   * @throws {NbdStateError} The handle is not `ready`.
   * @throws {NbdError} The connection was lost: `error.isConnectionLost`.
   */
  trim(length: number | bigint, offset: number | bigint, options?: WriteOptions): Promise<void> {
    return this.#command(rules.trim, offset, options, lengthArgument, length, nothing)
  }

  /**
   * Prefetches `length` bytes at `offset` into the cache of the server. Legal in `ready`; needs `info.canCache`.
   *
   * @param length Bytes of the range. Up to 2^32 - 1 without extended headers.
   * @param offset Bytes from the start of the export.
   * @param options `signal` and flags by name.
   * @throws {NbdServerError} The server replied with an error. The connection stays usable.
   * @throws {NbdUsageError} An argument is invalid, out of bounds or not aligned. Nothing was sent.
   * @throws {NbdStateError} The handle is not `ready`.
   * @throws {NbdError} The connection was lost: `error.isConnectionLost`.
   */
  cache(length: number | bigint, offset: number | bigint, options?: CommandOptions): Promise<void> {
    return this.#command(rules.cache, offset, options, lengthArgument, length, nothing)
  }

  /**
   * Makes every write that was answered before this call durable: await the writes first. Legal in `ready`; needs
   * `info.canFlush`.
   *
   * @param options `signal` and flags by name.
   * @throws {NbdServerError} The server replied with an error. The connection stays usable.
   * @throws {NbdUsageError} An option is invalid, or the server does not offer flush. Nothing was sent.
   * @throws {NbdStateError} The handle is not `ready`.
   * @throws {NbdError} The connection was lost: `error.isConnectionLost`.
   */
  flush(options?: CommandOptions): Promise<void> {
    return this.#command(rules.flush, 0, options, noArgument, undefined, nothing)
  }

  // --- the end -------------------------------------------------------------------------------------------

  /**
   * Ends the connection in order: NBD_CMD_DISC once every command in flight is answered, or NBD_OPT_ABORT
   * while negotiating. Resolves when the connection is closed. Legal in `negotiating`, `ready` and `dead`, also when it
   * was called before; no other call is taken after it. An aborted signal ends the handle at once.
   *
   * It waits for commands as long as `timeouts.requestMs` and `timeouts.commandMs` allow, and does not wait for those that were
   * given up, nor for those that only such commands keep from being sent: these fail. A server that does not close its side
   * after NBD_CMD_DISC is left after `timeouts.closeMs`.
   *
   * In `dead` there is nothing left to do: it resolves, and in a `finally` it does not hide the first error.
   *
   * @param options `abandonPending` and `signal`.
   * @throws {NbdError} The connection was lost while it waited for commands in flight.
   * @throws {NbdStateError} The handle is `created`, `connecting` or `closed`.
   */
  async shutdown(options?: ShutdownOptions): Promise<void> {
    this.#require('shutdown', 'shutdown')
    const { abandonPending, signal } = parseShutdownOptions(options)
    const driver = this.#driver
    if (driver === undefined || this.state === 'dead') return
    await this.#abortable(signal, () => this.#beginShutdown(driver, abandonPending))
  }

  /**
   * Ends the connection at once: everything in flight rejects with `reason`, and the handle is `dead`. Legal in every
   * state; it has no effect after the end.
   *
   * @param reason The error. Anything but an Error becomes the cause of one.
   */
  destroy(reason?: unknown): void {
    const error = isError(reason) ? reason : destroyed(reason)
    if (this.#driver !== undefined) {
      this.#isDestroyed ||= !isOver(this.#driver.protocol.phase)
      this.#driver.fail(error)
      return
    }
    this.#failBeforeConnect(error)
    this.#dialling.abort(error)
  }

  /**
   * For `await using`: begins a `shutdown()` if that is legal, otherwise calls `destroy()`. Resolves once the connection is
   * closed, however it ended, and therefore hides no error that left the block. It waits for commands in flight, but not
   * longer than `timeouts.closeMs` without a byte received: then it destroys the handle, and they reject with ETIMEDOUT.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const driver = this.#driver
    if (driver === undefined || !legalStates.shutdown.includes(this.state)) {
      this.destroy()
      return
    }
    driver.beginShutdown(false)
    driver.limitShutdown()
    await this.closed.catch(() => {})
  }

  // --- implementation ------------------------------------------------------------------------------------

  async #open<K extends 'connect' | 'negotiate'>(
    call: K,
    transport: Transport,
    options: SignalOptions | undefined,
  ): Promise<OperationResults[K]> {
    this.#require('connect', call)
    checkTransport(call, transport)
    return await this.#abortable(parseSignal(call, options), () => this.#dial(call, transport))
  }

  async #dial<K extends 'connect' | 'negotiate'>(
    call: K,
    transport: Transport,
  ): Promise<OperationResults[K]> {
    const { signal } = this.#dialling
    if (transport.uri !== undefined) this.#address ??= toUriAddress(transport.uri)
    this.#preConnectState = 'connecting'
    this.#emit('state', 'connecting', 'created')
    try {
      const connection = await dial(transport, this.#options.timeouts.dialMs, signal)
      // destroy() was called since the dial resolved, and it did not know of this connection.
      if (signal.aborted) connection.destroy()
      signal.throwIfAborted()
      this.#driver = this.#createDriver(connection, transport)
    } catch (error) {
      this.#failBeforeConnect(error as Error)
      throw error
    }
    return await this.#driver.open(call)
  }

  #createDriver(connection: Connection, { address, hostName }: Transport): ConnectionDriver {
    const { limits, timeouts, tlsProvider } = this.#options
    return new ConnectionDriver(
      tlsProvider === undefined
        ? connection
        : new UpgradableConnection(connection, tlsProvider, { address, hostName }),
      { address, settings: this.#settings, limits, timeouts },
      {
        onPhase: (next, previous) => this.#onPhase(next, previous),
        onDebug: (message) => this.#emit('debug', `${this.name}: ${message}`),
        onDisconnected: () => this.#onDisconnected(),
        isDebugging: () => this.listenerCount('debug') > 0,
      },
    )
  }

  async #operate<K extends Operation>(
    call: string,
    operation: K,
    options: SignalOptions | undefined,
    queries: unknown = this.#settings.metaContexts,
  ): Promise<OperationResults[K]> {
    const driver = this.#requireDriver('opt', call)
    const names = checkQueries(call, queries)
    const signal = parseSignal(call, options)
    return await this.#abortable(signal, () => driver.operate(operation, call, names))
  }

  async #beginShutdown(driver: ConnectionDriver, abandonPending = false): Promise<void> {
    driver.beginShutdown(abandonPending)
    await this.closed
  }

  #command<Subject, Result>(
    rule: CommandRule,
    offset: number | bigint,
    options: CommandOptions | undefined,
    targetOf: PayloadParser<Subject>,
    subject: Subject,
    result: (command: PendingCommand) => Result,
  ): Promise<Result> {
    try {
      const driver = this.#requireDriver('command', rule.name)
      this.#checkContext ??= checkContextOf(driver.protocol, this.#options.strict)
      const { flags, signal, timeoutMs, detaches } = parseCommandOptions(rule.name, options)
      const at = checkOffset(rule.name, offset)
      const target = targetOf(rule, subject, at, detaches)
      checkCommand(rule, flags, at, target, this.#checkContext)
      const init = {
        name: rule.name,
        type: rule.type,
        flags: flagsToSend(rule.type, flags, target.data, this.#checkContext),
        offset: at,
        length: Number(target.length),
        data: target.data,
        destination: target.destination,
        allocate: this.#options.allocate,
        canReceiveInPlace: target.canReceiveInPlace,
        copiesData: target.copiesData,
        status: target.status,
        wantsChunks: target.wantsChunks,
        onChunk: target.onChunk,
        signal,
        timeoutMs,
        settlesAborted: !detaches,
      }
      return driver.submit(init, result)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Runs what ends the whole handle when it is aborted. */
  async #abortable<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    const offAbort = signal === undefined ? undefined : onAbort(signal, () => this.destroy(signal.reason))
    try {
      return await run()
    } catch (error) {
      addCaller(error, this.#abortable)
      throw error
    } finally {
      offAbort?.()
      // The reason of the abort takes precedence over the result, because the handle is destroyed.
      signal?.throwIfAborted()
    }
  }

  #requireDriver(kind: CallKind, call: string): ConnectionDriver {
    this.#require(kind, call)
    return this.#driver as ConnectionDriver
  }

  #require(kind: CallKind, call: string): void {
    if (!legalStates[kind].includes(this.state)) {
      const lost = this.#connectionLost(kind)
      if (lost !== undefined) throw lostError(call, lost)
      const hint =
        call === 'info' && this.state !== 'dead'
          ? 'the export is not known before connect(), optInfo() or optGo() succeeds'
          : undefined
      throw this.#stateError(call, `it is legal in ${legalStates[kind].join(' and ')} only`, hint)
    }
    if (this.#driver?.isShuttingDown !== true || allowedDuringShutdown.includes(kind)) return
    const { shutdownReply } = this.#driver.protocol
    if (shutdownReply !== undefined) throw lostError(call, shutdownReply)
    throw this.#stateError(call, 'the connection is being shut down')
  }

  /** Why a call that needs the connection fails, where the connection is gone and the caller did not end it. */
  #connectionLost(kind: CallKind): Error | undefined {
    const failure = this.#driver?.protocol.failure
    if (this.#isDestroyed || (kind !== 'command' && kind !== 'opt')) return undefined
    // Otherwise the server refused, or the caller disposed of the handle.
    const isLost =
      failure instanceof NbdError && (failure.isConnectionLost || failure instanceof NbdProtocolError)
    return isLost ? failure : undefined
  }

  #stateError(call: string, why: string, hint?: string): NbdStateError {
    const { state } = this
    const cause = this.#driver?.protocol.failure ?? this.#preConnectError
    return new NbdStateError(`${call}: invalid state ${state}: ${why}`, {
      hint,
      // As libnbd has it: not connected yet, or else the wrong time.
      errno: state === 'created' ? 'ENOTCONN' : 'EINVAL',
      ...(cause === undefined ? {} : { cause }),
    })
  }

  /** It failed before there was a driver. */
  #failBeforeConnect(error: Error): void {
    const previous = this.#preConnectState
    if (previous === 'dead') return
    this.#preConnectState = 'dead'
    this.#preConnectError = error
    if (this.listenerCount('debug') > 0) {
      this.#emit('debug', `${this.name}: ${previous} -> dead: ${escapeUnprintable(error.message)}`)
    }
    this.#emit('state', 'dead', previous)
    this.#emitDead(error)
  }

  #onPhase(next: Phase, previous: Phase): void {
    if (stateOf[next] !== stateOf[previous]) this.#emit('state', stateOf[next], stateOf[previous])
    if (next === 'dead') this.#emitDead(this.#driver?.protocol.failure as Error)
  }

  #emitDead(error: Error): void {
    this.#settleClosed.reject(error)
    this.#emit('dead', error)
  }

  #onDisconnected(): void {
    if (this.state !== 'closed') return
    this.#settleClosed.resolve()
    this.#emit('close')
  }

  /** A listener that throws must not stop the conversation: its error surfaces on its own. */
  #emit<E extends keyof HandleEvents>(event: E, ...args: HandleEvents[E]): void {
    try {
      this.emit(event, ...(args as EventEmitter.EventArgs<HandleEvents, E>))
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

function dataOf(command: PendingCommand): Bytes {
  return (command.destination as Bytes | undefined) ?? new Uint8Array(0)
}

function nothing(): void {}

function checkContextOf(
  { info, structuredReplies, extendedHeaders }: ConnectionDriver['protocol'],
  strict: StrictChecks,
): CheckContext {
  return { info: info as ExportInfo, structuredReplies, extendedHeaders, strict }
}

function extentsOf(command: PendingCommand): Map<string, Extent[]> {
  return (command.status as ExtentCollector).extents
}

/** What a call fails with once the connection is lost. */
function lostError(call: string, cause: Error): NbdClosedError {
  return new NbdClosedError(`${call}: the connection is lost: ${messageOf(cause)}`, {
    cause,
    isConnectionLost: true,
  })
}

function destroyed(reason: unknown): NbdClosedError {
  return new NbdClosedError('the handle was destroyed', reason === undefined ? {} : { cause: reason })
}

/**
 * Makes a handle and connects it, to the state `ready`. If that fails, nothing is left open.
 *
 * @param transport The way to the server: `tcp('localhost')`, `unix('/run/nbd.sock')`.
 * @param options The options of the handle, `signal` and `onHandle`.
 * @returns The handle.
 * @throws {NbdUsageError} An argument or an option is invalid.
 * @throws {NbdError} As {@link Handle.connect}.
 * @example
 * ```ts
 * await using nbd = await connect(tcp('localhost'), { exportName: 'disk' })
 * const head = await nbd.pread(4096, 0)
 * ```
 */
export async function connect(transport: Transport, options?: ConnectOptions): Promise<Handle> {
  return await makeHandle('connect', transport, options)
}

/**
 * Makes a handle and connects it, but selects no export: the handle is `negotiating`, for the opt methods. See
 * {@link Handle.negotiate}. If that fails, nothing is left open. [nbd_set_opt_mode]
 *
 * @param transport The way to the server.
 * @param options The options of the handle, `signal` and `onHandle`.
 * @returns The handle.
 * @throws {NbdUsageError} An argument or an option is invalid.
 * @throws {NbdError} As {@link Handle.connect}.
 * @example
 * ```ts
 * const nbd = await negotiate(tcp('localhost'))
 * nbd.setExportName('disk')
 * await nbd.optGo()
 * ```
 */
export async function negotiate(transport: Transport, options?: ConnectOptions): Promise<Handle> {
  return await makeHandle('negotiate', transport, options)
}

async function makeHandle(
  call: 'connect' | 'negotiate',
  transport: Transport,
  options: ConnectOptions | undefined,
): Promise<Handle> {
  const handle = new Handle(options, call)
  options?.onHandle?.(handle)
  await handle[call](transport, { signal: options?.signal })
  return handle
}
