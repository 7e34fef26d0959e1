import { decodeMetaContextRequest, encodeMetaContext, optName, Rep } from '@nbdjs/core/wire'
import type { Export } from '../../exports/export.js'
import type { MetaContext } from '../../exports/meta-context.js'
import { haggle, type NegotiationState, type OptionHandler } from './negotiation-state.js'

/** More queries than any client has: more are answered by NBD_REP_ERR_TOO_BIG. */
export const MAX_QUERIES = 1024

/** NBD_OPT_LIST_META_CONTEXT. The ids are reserved, and 0. */
export const listMetaContext: OptionHandler = {
  feature: 'metaContexts',
  answer(option, data, negotiation) {
    const asked = receive(option, data, negotiation)
    if (asked === undefined) return haggle
    const matches = asked.queries.size === 0 ? () => true : isListedBy(asked.queries)
    for (const { name } of contextsFor(asked.export, negotiation).filter(matches)) {
      negotiation.reply(option, Rep.MetaContext, encodeMetaContext({ id: 0, name }))
    }
    negotiation.reply(option, Rep.Ack)
    return haggle
  },
}

/** NBD_OPT_SET_META_CONTEXT. The ids count from 1. */
export const setMetaContext: OptionHandler = {
  feature: 'metaContexts',
  undo(negotiation) {
    negotiation.selection = undefined
  },
  answer(option, data, negotiation) {
    const asked = receive(option, data, negotiation)
    if (asked === undefined) return haggle
    const contexts = contextsFor(asked.export, negotiation)
      .filter(({ name }) => asked.queries.has(name))
      .map((context, index) => ({ id: index + 1, context }))
    for (const { id, context } of contexts) {
      negotiation.reply(option, Rep.MetaContext, encodeMetaContext({ id, name: context.name }))
    }
    negotiation.reply(option, Rep.Ack)
    negotiation.selection = { export: asked.export, contexts }
    return haggle
  },
}

interface Asked {
  readonly export: Export
  readonly queries: ReadonlySet<string>
}

/** What both options ask, or undefined when it was refused. Throws where the data is malformed. */
function receive(option: number, data: Uint8Array, negotiation: NegotiationState): Asked | undefined {
  const refuse = (reply: Rep, text: string): undefined => {
    negotiation.refuse(option, reply, `${optName(option)}: ${text}`)
    return undefined
  }
  const { exportName, queries } = decodeMetaContextRequest(data, option)
  if (!negotiation.structuredReplies) {
    return refuse(Rep.ErrInvalid, 'expected NBD_OPT_STRUCTURED_REPLY or NBD_OPT_EXTENDED_HEADERS before it')
  }
  if (queries.length > MAX_QUERIES) {
    return refuse(Rep.ErrTooBig, `expected at most ${MAX_QUERIES} queries, received ${queries.length}`)
  }
  const malformed = queries.find((query) => query.indexOf(':') <= 0)
  if (malformed !== undefined) {
    return refuse(Rep.ErrInvalid, `expected a namespace and a colon in each query, received '${malformed}'`)
  }
  const found = negotiation.exports.find(exportName)
  if (found === undefined) return refuse(Rep.ErrUnknown, `there is no export '${exportName}'`)
  return { export: found, queries: new Set(queries) }
}

/** Those that the client can be told of, in the export's order. */
function contextsFor(of: Export, { extendedHeaders }: NegotiationState): readonly MetaContext[] {
  return of.metaContexts.filter(({ hasLongFlags }) => extendedHeaders || !hasLongFlags)
}

/** "Metadata querying": a namespace with nothing behind the colon is a wildcard, when it is about a list. */
function isListedBy(queries: ReadonlySet<string>): (context: MetaContext) => boolean {
  return ({ name, namespace }) => queries.has(name) || queries.has(`${namespace}:`)
}
