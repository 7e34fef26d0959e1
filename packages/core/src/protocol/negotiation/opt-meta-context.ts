import { NbdNegotiationError } from '../../errors.js'
import { quoteList } from '../../quote.js'
import { Opt, optName, Rep } from '../../wire/constants.js'
import { decodeMetaContext, type MetaContext } from '../../wire/option-reply.js'
import { encodeMetaContextRequest } from '../../wire/option-request.js'
import { noMetaContextsLine } from '../debug/format-handshake.js'
import type { MetaContexts } from '../session.js'
import { isQuery, type Negotiation } from './negotiation.js'
import {
  type HandshakeSteps,
  isRecoverable,
  optionError,
  receiveReply,
  sendOption,
} from './option-exchange.js'

/** NBD_OPT_LIST_META_CONTEXT: returns the contexts that match the queries, or all for an empty list. Changes nothing. */
export function* optListMetaContext(
  negotiation: Negotiation,
  queries: readonly string[],
): HandshakeSteps<readonly string[]> {
  const contexts = yield* receiveContexts(negotiation, Opt.ListMetaContext, queries)
  return contexts.map(({ name }) => name)
}

/**
 * NBD_OPT_SET_META_CONTEXT: selects contexts for this export and discards the previous selection, even if the server rejects it.
 * It needs structured replies.
 */
export function* optSetMetaContext(
  negotiation: Negotiation,
  queries: readonly string[],
): HandshakeSteps<readonly string[]> {
  // "NBD_OPT_SET_META_CONTEXT" must not be sent without structured replies.
  if (!negotiation.structuredReplies) {
    throw new NbdNegotiationError(`${optName(Opt.SetMetaContext)}: structured replies were not negotiated`, {
      hint: 'optStructuredReply() asks for them',
      errno: 'ENOTSUP',
      option: optName(Opt.SetMetaContext),
    })
  }
  negotiation.deselectContexts()
  const contexts = yield* receiveContexts(negotiation, Opt.SetMetaContext, queries)
  const selected = new Map(contexts.map(({ id, name }) => [id, name]))
  // nbdkit selects a context twice, with the same id, if it was requested twice.
  if (contexts.some(({ id, name }) => selected.get(id) !== name)) {
    throw optionError(Opt.SetMetaContext, 'an id of its own for each context', 'one id twice')
  }
  const once = withoutRepeats(selected)
  negotiation.selectContexts(once, queries)
  return [...once.values()]
}

/** A server may select a context under two ids. The first one counts. */
function withoutRepeats(contexts: MetaContexts): MetaContexts {
  const ids = new Map<string, number>()
  for (const [id, name] of contexts) if (!ids.has(name)) ids.set(name, id)
  return new Map([...ids].map(([name, id]) => [id, name]))
}

/**
 * Selects the contexts of the settings before the export is requested. Returns the error if the server rejects them, because the
 * export can be used without.
 */
export function* selectMetaContexts(
  negotiation: Negotiation,
): HandshakeSteps<NbdNegotiationError | undefined> {
  const queries = negotiation.requestedContexts
  if (queries.length === 0 || !negotiation.structuredReplies) return undefined
  try {
    yield* optSetMetaContext(negotiation, queries)
    return undefined
  } catch (error) {
    if (!isRecoverable(error)) throw error
    negotiation.trace.log(noMetaContextsLine, error as Error)
    return error as NbdNegotiationError
  }
}

/**
 * Throws if a context that the settings name exactly was not selected, before transmission begins without it: an empty map
 * of changed blocks would look like a disk that has not changed.
 *
 * @param refusal The error of the server if it rejected the selection.
 */
export function* requireMetaContexts(
  negotiation: Negotiation,
  refusal: NbdNegotiationError | undefined,
): HandshakeSteps<void> {
  const missing = missingRequired(negotiation)
  if (missing.length === 0) return
  if (!negotiation.structuredReplies)
    throw missingError(negotiation, missing, noStructuredReplies(negotiation))
  // The cause is the export, which is unknown or needs TLS, not the contexts.
  if (refusal !== undefined && exportRefusals.includes(refusal.reply)) throw refusal
  const offered = refusal === undefined ? yield* offeredContexts(negotiation) : []
  const reason =
    offered.length === 0
      ? noContextsReason(refusal)
      : `the server does not provide it, it offers ${quoteList(offered)}`
  throw missingError(negotiation, missing, reason, { refusal, isMisspelt: offered.length > 0 })
}

/** The replies that are about the export, whatever the option. */
const exportRefusals: readonly (string | undefined)[] = ['NBD_REP_ERR_UNKNOWN', 'NBD_REP_ERR_TLS_REQD']

function noContextsReason(refusal: NbdNegotiationError | undefined): string {
  const isUnsupported = refusal === undefined || refusal.reply === 'NBD_REP_ERR_UNSUP'
  return isUnsupported ? 'the server has no meta contexts' : 'the server rejected the selection'
}

/** Throws if contexts are required but no option can be sent: oldstyle and plain newstyle have no meta contexts. */
export function checkRequiredContexts(negotiation: Negotiation): void {
  const missing = missingRequired(negotiation)
  if (missing.length > 0) throw missingError(negotiation, missing, noStructuredReplies(negotiation))
}

function missingRequired({ settings, requestedContexts, missingContexts }: Negotiation): readonly string[] {
  if (!settings.requireMetaContexts || requestedContexts.length === 0) return []
  return missingContexts.filter((context) => !isQuery(context))
}

/** All contexts of the export; none if the server rejects the list. */
function* offeredContexts(negotiation: Negotiation): HandshakeSteps<readonly string[]> {
  try {
    return yield* optListMetaContext(negotiation, [])
  } catch (error) {
    if (!isRecoverable(error)) throw error
    return []
  }
}

function noStructuredReplies({ protocol, settings }: Negotiation): string {
  const need = 'meta contexts need structured replies'
  if (protocol !== 'newstyle-fixed') return `${need}, and the server speaks ${protocolText[protocol]}`
  return settings.requestStructuredReplies
    ? `${need}, which the server does not support`
    : `${need}, which were not asked for (requestStructuredReplies is false)`
}

const protocolText = { oldstyle: 'oldstyle', newstyle: 'plain newstyle' }

interface MissingDetails {
  /** The error of the server if it rejected the selection. */
  readonly refusal?: NbdNegotiationError | undefined
  /** Whether the server has other contexts. */
  readonly isMisspelt?: boolean
}

function missingError(
  negotiation: Negotiation,
  missing: readonly string[],
  reason: string,
  { refusal, isMisspelt = false }: MissingDetails = {},
): NbdNegotiationError {
  const what = `meta context ${quoteList(missing)} of export ${negotiation.exportLabel}`
  const said = refusal === undefined ? '' : ` (${refusal.message})`
  return new NbdNegotiationError(`${what}: ${reason}${said}`, {
    errno: 'ENOTSUP',
    option: optName(Opt.SetMetaContext),
    reply: refusal?.reply,
    serverMessage: refusal?.serverMessage,
    hint: `${isMisspelt ? 'check the name, or ' : ''}pass requireMetaContexts: false to connect without it`,
    ...(refusal === undefined ? {} : { cause: refusal }),
  })
}

function* receiveContexts(
  negotiation: Negotiation,
  option: typeof Opt.ListMetaContext | typeof Opt.SetMetaContext,
  queries: readonly string[],
): HandshakeSteps<readonly MetaContext[]> {
  const { exportName } = negotiation.settings
  const contexts: MetaContext[] = []
  sendOption(negotiation, option, encodeMetaContextRequest({ exportName, queries }))
  for (;;) {
    const { reply, data } = yield* receiveReply(negotiation, option, Rep.MetaContext)
    if (reply === Rep.Ack) return contexts
    contexts.push(decodeMetaContext(data))
  }
}
