import { encodeListEntry, Opt, Rep } from '@nbdjs/core/wire'
import type { ServerFeatures } from '../../options.js'
import { close, nextOption, type OptionHandler } from './negotiation-state.js'
import { go, info } from './opt-go.js'
import { listMetaContext, setMetaContext } from './opt-meta-context.js'

/** NBD_OPT_ABORT. "Option types" advises to ignore its data. */
const abort: OptionHandler = {
  handle(option, _data, negotiation) {
    negotiation.reply(option, Rep.Ack)
    return close
  },
}

/** NBD_OPT_LIST. */
const list: OptionHandler = {
  feature: 'list',
  hasNoData: true,
  handle(option, _data, negotiation) {
    for (const entry of negotiation.exports.list()) {
      negotiation.reply(option, Rep.Server, encodeListEntry(entry))
    }
    negotiation.reply(option, Rep.Ack)
    return nextOption
  },
}

/** NBD_OPT_STARTTLS, once. What was negotiated in plaintext may come from an active attacker: it is discarded. */
const startTls: OptionHandler = {
  hasNoData: true,
  handle(option, _data, negotiation) {
    if (negotiation.isEncrypted) {
      negotiation.replyError(option, Rep.ErrInvalid, 'NBD_OPT_STARTTLS: TLS is active already')
      return nextOption
    }
    negotiation.resetAgreed()
    negotiation.reply(option, Rep.Ack)
    return { kind: 'startTls' }
  },
}

/** NBD_OPT_STRUCTURED_REPLY. A repetition has no effect; extended headers cannot be given up for it. */
const structuredReply: OptionHandler = {
  feature: 'structuredReplies',
  hasNoData: true,
  handle(option, _data, negotiation) {
    if (negotiation.extendedHeaders) {
      const text =
        'NBD_OPT_STRUCTURED_REPLY: extended headers were negotiated, which include structured replies'
      negotiation.replyError(option, Rep.ErrExtHeaderReqd, text)
      return nextOption
    }
    negotiation.structuredReplies = true
    negotiation.reply(option, Rep.Ack)
    return nextOption
  },
}

/** NBD_OPT_EXTENDED_HEADERS: includes structured replies. A repetition has no effect. */
const extendedHeaders: OptionHandler = {
  feature: 'extendedHeaders',
  hasNoData: true,
  handle(option, _data, negotiation) {
    negotiation.extendedHeaders = true
    negotiation.structuredReplies = true
    negotiation.reply(option, Rep.Ack)
    return nextOption
  },
}

/**
 * The handlers of all options but NBD_OPT_EXPORT_NAME, whose reply has no option reply header. An option that is missing
 * here is answered with NBD_REP_ERR_UNSUP.
 */
const handlers: ReadonlyMap<number, OptionHandler> = new Map([
  [Opt.Abort, abort],
  [Opt.List, list],
  [Opt.StartTls, startTls],
  [Opt.Info, info],
  [Opt.Go, go],
  [Opt.StructuredReply, structuredReply],
  [Opt.ListMetaContext, listMetaContext],
  [Opt.SetMetaContext, setMetaContext],
  [Opt.ExtendedHeaders, extendedHeaders],
] satisfies [number, OptionHandler][])

/** Returns undefined if the option is unknown, or its feature is off. */
export function findOptionHandler(option: number, features: ServerFeatures): OptionHandler | undefined {
  const handler = handlers.get(option)
  return handler?.feature === undefined || features[handler.feature] ? handler : undefined
}
