import { NbdNegotiationError } from '../../errors.js'
import { Opt, optName, Rep } from '../../wire/constants.js'
import { decodeMetaContext, type MetaContext } from '../../wire/option-reply.js'
import { encodeMetaContextRequest } from '../../wire/option-request.js'
import { noMetaContextsLine } from '../debug/format-handshake.js'
import type { MetaContexts } from '../session.js'
import type { Negotiation } from './negotiation.js'
import {
  type HandshakeSteps,
  isRecoverable,
  optionError,
  receiveReply,
  sendOption,
} from './option-exchange.js'

/** NBD_OPT_LIST_META_CONTEXT: the contexts that match the queries, all of them for no query. Changes nothing. */
export function* optListMetaContext(
  negotiation: Negotiation,
  queries: readonly string[],
): HandshakeSteps<readonly string[]> {
  const contexts = yield* receiveContexts(negotiation, Opt.ListMetaContext, queries)
  return contexts.map(({ name }) => name)
}

/**
 * NBD_OPT_SET_META_CONTEXT: selects contexts for this export. What was selected before is gone, even when the
 * server refuses. It is not for a connection without structured replies, by which alone they could be told of.
 */
export function* optSetMetaContext(
  negotiation: Negotiation,
  queries: readonly string[],
): HandshakeSteps<readonly string[]> {
  // "NBD_OPT_SET_META_CONTEXT" must not be sent without structured replies.
  if (!negotiation.structuredReplies) {
    throw new NbdNegotiationError(
      `${optName(Opt.SetMetaContext)}: not without structured replies: optStructuredReply() asks for them`,
      { errno: 'ENOTSUP', option: optName(Opt.SetMetaContext) },
    )
  }
  negotiation.selectContexts(undefined)
  const contexts = yield* receiveContexts(negotiation, Opt.SetMetaContext, queries)
  const selected = new Map(contexts.map(({ id, name }) => [id, name]))
  // A context that was asked for twice is selected twice by nbdkit, with the same id: that much is clear.
  if (contexts.some(({ id, name }) => selected.get(id) !== name)) {
    throw optionError(Opt.SetMetaContext, 'an id of its own for each context', 'one id twice')
  }
  const once = withoutRepeats(selected)
  negotiation.selectContexts(once)
  return [...once.values()]
}

/** Another server may select it under two ids. It is told of once: the first id counts. */
function withoutRepeats(contexts: MetaContexts): MetaContexts {
  const ids = new Map<string, number>()
  for (const [id, name] of contexts) if (!ids.has(name)) ids.set(name, id)
  return new Map([...ids].map(([name, id]) => [id, name]))
}

/**
 * Selects what the settings ask for, before the export is asked about. A server that refuses is no reason to
 * stop: the export can be read all the same.
 */
export function* selectMetaContexts(negotiation: Negotiation): HandshakeSteps<void> {
  const { requestMetaContext, metaContexts } = negotiation.settings
  if (!requestMetaContext || metaContexts.length === 0 || !negotiation.structuredReplies) return
  try {
    yield* optSetMetaContext(negotiation, metaContexts)
  } catch (error) {
    if (!isRecoverable(error)) throw error
    negotiation.trace.log(noMetaContextsLine, error as Error)
  }
}

function* receiveContexts(
  negotiation: Negotiation,
  option: typeof Opt.ListMetaContext | typeof Opt.SetMetaContext,
  queries: readonly string[],
): HandshakeSteps<readonly MetaContext[]> {
  const { limits, settings } = negotiation
  const contexts: MetaContext[] = []
  sendOption(negotiation, option, encodeMetaContextRequest({ exportName: settings.exportName, queries }))
  for (;;) {
    const { reply, data } = yield* receiveReply(negotiation, option, Rep.MetaContext)
    if (reply === Rep.Ack) return contexts
    if (contexts.length === limits.listEntries) {
      throw optionError(option, `at most ${limits.listEntries} contexts (limits.listEntries)`, 'more')
    }
    contexts.push(decodeMetaContext(data))
  }
}
