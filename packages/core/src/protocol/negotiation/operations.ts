import { NbdNegotiationError } from '../../errors.js'
import { Opt } from '../../wire/constants.js'
import type { ExportInfo } from '../export-info.js'
import { readGreeting } from './greeting.js'
import type { Negotiation } from './negotiation.js'
import { optExtendedHeaders, optStructuredReply } from './opt-features.js'
import { optGo, optInfo } from './opt-go.js'
import { type ExportList, optList } from './opt-list.js'
import { checkRequiredContexts, optListMetaContext, optSetMetaContext } from './opt-meta-context.js'
import { negotiateTls, optStartTls } from './opt-starttls.js'
import type { HandshakeSteps } from './option-exchange.js'

/** The operations of the handshake and their results. */
export interface OperationResults {
  /** From the first byte to transmission. */
  connect: ExportInfo
  /** From the first byte until the caller selects an export. An oldstyle server has only one. */
  negotiate: ExportInfo | undefined
  go: ExportInfo
  info: ExportInfo
  list: ExportList
  startTls: boolean
  structuredReply: boolean
  extendedHeaders: boolean
  /** Names of meta contexts. */
  listMetaContext: readonly string[]
  setMetaContext: readonly string[]
}
export type Operation = keyof OperationResults

/** `queries` are those of the meta context operations. */
export const operations: {
  readonly [K in Operation]: (
    negotiation: Negotiation,
    queries: readonly string[],
  ) => HandshakeSteps<OperationResults[K]>
} = {
  connect,
  negotiate,
  go: (negotiation) => forgetOnFailure(negotiation, optGo(negotiation)),
  info: (negotiation) =>
    forgetOnFailure(
      negotiation,
      onlyFixedNewstyle(negotiation, 'NBD_OPT_INFO', optInfo(negotiation, Opt.Info)),
    ),
  list: (negotiation) => onlyFixedNewstyle(negotiation, 'NBD_OPT_LIST', optList(negotiation)),
  startTls: (negotiation) => onlyFixedNewstyle(negotiation, 'NBD_OPT_STARTTLS', optStartTls(negotiation)),
  structuredReply: (negotiation) =>
    onlyFixedNewstyle(negotiation, 'NBD_OPT_STRUCTURED_REPLY', optStructuredReply(negotiation)),
  extendedHeaders: (negotiation) =>
    onlyFixedNewstyle(negotiation, 'NBD_OPT_EXTENDED_HEADERS', optExtendedHeaders(negotiation)),
  listMetaContext: (negotiation, queries) =>
    onlyFixedNewstyle(negotiation, 'NBD_OPT_LIST_META_CONTEXT', optListMetaContext(negotiation, queries)),
  setMetaContext: (negotiation, queries) =>
    onlyFixedNewstyle(negotiation, 'NBD_OPT_SET_META_CONTEXT', optSetMetaContext(negotiation, queries)),
}

function* connect(negotiation: Negotiation): HandshakeSteps<ExportInfo> {
  return (yield* negotiate(negotiation)) ?? (yield* optGo(negotiation))
}

function* negotiate(negotiation: Negotiation): HandshakeSteps<ExportInfo | undefined> {
  const protocol = yield* readGreeting(negotiation)
  yield* negotiateTls(negotiation)
  if (protocol === 'oldstyle') {
    checkRequiredContexts(negotiation)
    return negotiation.info
  }
  if (protocol === 'newstyle-fixed') yield* agreeOnReplies(negotiation)
  return undefined
}

/** Negotiates extended headers, which include structured replies, and otherwise structured replies. */
function* agreeOnReplies(negotiation: Negotiation): HandshakeSteps<void> {
  const { requestExtendedHeaders, requestStructuredReplies } = negotiation.settings
  if (!requestStructuredReplies) return
  if (requestExtendedHeaders && (yield* optExtendedHeaders(negotiation))) return
  yield* optStructuredReply(negotiation)
}

/** After a rejection nothing is known about the export, the selected contexts included. */
function* forgetOnFailure<T>(negotiation: Negotiation, steps: HandshakeSteps<T>): HandshakeSteps<T> {
  try {
    return yield* steps
  } catch (error) {
    negotiation.forgetExport()
    throw error
  }
}

/** "Newstyle negotiation": a server without fixed newstyle disconnects after other options, so none is sent. */
function* onlyFixedNewstyle<T>(
  negotiation: Negotiation,
  option: string,
  reading: HandshakeSteps<T>,
): HandshakeSteps<T> {
  if (negotiation.protocol !== 'newstyle-fixed') {
    throw new NbdNegotiationError(
      `${option}: the server speaks plain newstyle, which knows NBD_OPT_EXPORT_NAME only`,
      {
        errno: 'ENOTSUP',
        option,
      },
    )
  }
  return yield* reading
}
