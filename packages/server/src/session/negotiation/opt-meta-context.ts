import { quote } from '@nbdjs/core'
import { decodeMetaContextRequest, encodeMetaContext, optName, Rep } from '@nbdjs/core/wire'
import type { Export, MetaContext } from '../../exports.js'
import { type NegotiationState, nextOption, type OptionHandler } from './negotiation-state.js'

/** The most queries in one option. More are answered with NBD_REP_ERR_TOO_BIG. */
export const MAX_QUERIES = 1024

/** NBD_OPT_LIST_META_CONTEXT. The context ids are reserved, and 0. */
export const listMetaContext: OptionHandler = {
  feature: 'metaContexts',
  handle(option, data, negotiation) {
    const request = decodeRequest(option, data, negotiation)
    if (request === undefined) return nextOption
    const isListed = request.queries.size === 0 ? () => true : matches(request.queries)
    for (const { name } of offeredContexts(request.export, negotiation).filter(isListed)) {
      negotiation.reply(option, Rep.MetaContext, encodeMetaContext({ id: 0, name }))
    }
    negotiation.reply(option, Rep.Ack)
    return nextOption
  },
}

/** NBD_OPT_SET_META_CONTEXT. The context ids count from 1. */
export const setMetaContext: OptionHandler = {
  feature: 'metaContexts',
  reset(negotiation) {
    negotiation.selection = undefined
  },
  handle(option, data, negotiation) {
    const request = decodeRequest(option, data, negotiation)
    if (request === undefined) return nextOption
    const contexts = offeredContexts(request.export, negotiation)
      .filter(({ name }) => request.queries.has(name))
      .map((context, index) => ({ id: index + 1, context }))
    for (const { id, context } of contexts) {
      negotiation.reply(option, Rep.MetaContext, encodeMetaContext({ id, name: context.name }))
    }
    negotiation.reply(option, Rep.Ack)
    negotiation.selection = { export: request.export, contexts }
    return nextOption
  },
}

interface MetaContextRequest {
  readonly export: Export
  readonly queries: ReadonlySet<string>
}

/** Returns undefined after an error reply. Throws a NbdProtocolError if the data is malformed. */
function decodeRequest(
  option: number,
  data: Uint8Array,
  negotiation: NegotiationState,
): MetaContextRequest | undefined {
  const fail = (reply: Rep, text: string): undefined => {
    negotiation.replyError(option, reply, `${optName(option)}: ${text}`)
    return undefined
  }
  const { exportName, queries } = decodeMetaContextRequest(data, option)
  if (!negotiation.structuredReplies) {
    return fail(Rep.ErrInvalid, 'expected NBD_OPT_STRUCTURED_REPLY or NBD_OPT_EXTENDED_HEADERS before it')
  }
  if (queries.length > MAX_QUERIES) {
    return fail(Rep.ErrTooBig, `expected at most ${MAX_QUERIES} queries, received ${queries.length}`)
  }
  const malformed = queries.find((query) => query.indexOf(':') <= 0)
  if (malformed !== undefined) {
    return fail(
      Rep.ErrInvalid,
      `expected a namespace and a colon in each query, received ${quote(malformed)}`,
    )
  }
  const found = negotiation.exports.find(exportName)
  if (found === undefined) return fail(Rep.ErrUnknown, `unknown export ${quote(exportName)}`)
  return { export: found, queries: new Set(queries) }
}

/** The contexts that can be sent with the negotiated headers, in the order of the export. */
function offeredContexts(target: Export, { extendedHeaders }: NegotiationState): readonly MetaContext[] {
  return target.metaContexts.filter(({ hasLongFlags }) => extendedHeaders || !hasLongFlags)
}

/** "Metadata querying": in a list query, a namespace with an empty leaf-name is a wildcard. */
function matches(queries: ReadonlySet<string>): (context: MetaContext) => boolean {
  return ({ name, namespace }) => queries.has(name) || queries.has(`${namespace}:`)
}
