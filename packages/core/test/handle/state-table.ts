import { type Handle, type HandleState, NbdUsageError } from '@nbdjs/core'
import type { ScriptedServer } from './scripted-server.js'

/**
 * For each public call and each state: the state after the call, or `-` if it is rejected. Six states and their
 * order as in libnbd's manual ("nbd_connect_vsock", "HANDLE STATES").
 */
const table = `
  call                created     connecting  negotiating  ready   closed  dead

  connect             ready       -           -            -       -       -
  negotiate           negotiating -           -            -       -       -

  setExportName       created     -           negotiating  -       -       -
  setFullInfo         created     -           negotiating  -       -       -
  setRequestBlockSize created     -           negotiating  -       -       -
  setRequestMetaContext created   -           negotiating  -       -       -
  addMetaContext      created     -           negotiating  -       -       -
  clearMetaContexts   created     -           negotiating  -       -       -

  optGo               -           -           ready        -       -       -
  optInfo             -           -           negotiating  -       -       -
  optList             -           -           negotiating  -       -       -
  optStartTls         -           -           negotiating  -       -       -
  optStructuredReply  -           -           negotiating  -       -       -
  optExtendedHeaders  -           -           negotiating  -       -       -
  optListMetaContext  -           -           negotiating  -       -       -
  optSetMetaContext   -           -           negotiating  -       -       -
  optAbort            -           -           closed       -       -       -

  pread               -           -           -            ready   -       -
  preadInto           -           -           -            ready   -       -
  preadStructured     -           -           -            ready   -       -
  blockStatus         -           -           -            ready   -       -
  pwrite              -           -           -            ready   -       -
  zero                -           -           -            ready   -       -
  trim                -           -           -            ready   -       -
  cache               -           -           -            ready   -       -
  flush               -           -           -            ready   -       -

  shutdown            -           -           closed       closed  -       dead
  asyncDispose        dead        dead        closed       closed  closed  dead
  destroy             dead        dead        dead         dead    closed  dead

  info                -           -           -            ready   closed  -
  session             -           -           negotiating  ready   closed  -
  canMetaContext      -           -           negotiating  ready   closed  -
  name                created     connecting  negotiating  ready   closed  dead
  state               created     connecting  negotiating  ready   closed  dead
  settings            created     connecting  negotiating  ready   closed  dead
  stats               created     connecting  negotiating  ready   closed  dead
  inFlight            created     connecting  negotiating  ready   closed  dead
  uri                 -           connecting  negotiating  ready   closed  dead
`

/** The legal states of each call, in the words of its error. */
export const legality: Readonly<Record<string, string>> = {
  connect: 'created',
  negotiate: 'created',
  setExportName: 'created and negotiating',
  setFullInfo: 'created and negotiating',
  setRequestBlockSize: 'created and negotiating',
  setRequestMetaContext: 'created and negotiating',
  addMetaContext: 'created and negotiating',
  clearMetaContexts: 'created and negotiating',
  optGo: 'negotiating',
  optInfo: 'negotiating',
  optList: 'negotiating',
  optStartTls: 'negotiating',
  optStructuredReply: 'negotiating',
  optExtendedHeaders: 'negotiating',
  optListMetaContext: 'negotiating',
  optSetMetaContext: 'negotiating',
  optAbort: 'negotiating',
  pread: 'ready',
  preadInto: 'ready',
  preadStructured: 'ready',
  blockStatus: 'ready',
  pwrite: 'ready',
  zero: 'ready',
  trim: 'ready',
  cache: 'ready',
  flush: 'ready',
  shutdown: 'negotiating and ready and dead',
  info: 'negotiating and ready and closed',
  session: 'negotiating and ready and closed',
  canMetaContext: 'negotiating and ready and closed',
  uri: 'connecting and negotiating and ready and closed and dead',
}

/** It is legal, though no meta context was negotiated. */
function passWithoutContexts(error: unknown): void {
  if (!(error instanceof NbdUsageError && error.errno === 'ENOTSUP')) throw error
}

/** It is legal, even without a TLS provider. */
function passWithoutProvider(error: unknown): void {
  if (!(error instanceof NbdUsageError && error.message.includes('tlsProvider'))) throw error
}

/** How each call is made. What it returns is a promise where the call is asynchronous. */
export const calls: Readonly<Record<string, (handle: Handle, server: ScriptedServer) => unknown>> = {
  connect: (handle, { transport }) => handle.connect(transport),
  negotiate: (handle, { transport }) => handle.negotiate(transport),
  setExportName: (handle) => handle.setExportName('other'),
  setFullInfo: (handle) => handle.setFullInfo(true),
  setRequestBlockSize: (handle) => handle.setRequestBlockSize(false),
  setRequestMetaContext: (handle) => handle.setRequestMetaContext(false),
  addMetaContext: (handle) => handle.addMetaContext('base:allocation'),
  clearMetaContexts: (handle) => handle.clearMetaContexts(),
  optGo: (handle) => handle.optGo(),
  optInfo: (handle) => handle.optInfo(),
  optList: (handle) => handle.optList(),
  optStartTls: (handle) => handle.optStartTls().catch(passWithoutProvider),
  optStructuredReply: (handle) => handle.optStructuredReply(),
  optExtendedHeaders: (handle) => handle.optExtendedHeaders(),
  optListMetaContext: (handle) => handle.optListMetaContext(),
  optSetMetaContext: (handle) => handle.optSetMetaContext(),
  optAbort: (handle) => handle.optAbort(),
  pread: (handle) => handle.pread(512, 0),
  preadInto: (handle) => handle.preadInto(new Uint8Array(512), 0),
  preadStructured: (handle) => handle.preadStructured(new Uint8Array(512), 0, () => {}),
  blockStatus: (handle) => handle.blockStatus(512, 0).catch(passWithoutContexts),
  pwrite: (handle) => handle.pwrite(new Uint8Array(512), 0),
  zero: (handle) => handle.zero(512, 0),
  trim: (handle) => handle.trim(512, 0),
  cache: (handle) => handle.cache(512, 0),
  flush: (handle) => handle.flush(),
  shutdown: (handle) => handle.shutdown(),
  asyncDispose: (handle) => handle[Symbol.asyncDispose](),
  destroy: (handle) => handle.destroy(),
  info: (handle) => handle.info,
  session: (handle) => handle.session,
  canMetaContext: (handle) => handle.canMetaContext('base:allocation'),
  name: (handle) => handle.name,
  state: (handle) => handle.state,
  settings: (handle) => handle.settings,
  stats: (handle) => handle.stats,
  inFlight: (handle) => handle.inFlight,
  uri: (handle) => handle.uri,
}

/** The calls that are no promises. */
export const synchronous: ReadonlySet<string> = new Set([
  'setExportName',
  'setFullInfo',
  'setRequestBlockSize',
  'setRequestMetaContext',
  'addMetaContext',
  'clearMetaContexts',
  'canMetaContext',
  'destroy',
  'info',
  'session',
  'name',
  'state',
  'settings',
  'stats',
  'inFlight',
  'uri',
])

interface Cell {
  readonly call: string
  readonly state: HandleState
  /** Undefined if the call is rejected. */
  readonly next: HandleState | undefined
}

/** The table, cell by cell. */
export function cells(): Cell[] {
  const [head, ...rows] = table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.length > 1)
  const [, ...states] = head as [string, ...HandleState[]]
  return rows.flatMap(([call = '', ...results]) =>
    states.map((state, column) => ({
      call,
      state,
      next: results[column] === '-' ? undefined : (results[column] as HandleState),
    })),
  )
}
