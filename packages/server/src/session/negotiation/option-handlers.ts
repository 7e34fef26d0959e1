import { encodeListEntry, Opt, Rep } from '@nbdjs/core/wire'
import type { ServerFeatures } from '../../options.js'
import { close, haggle, type OptionHandler } from './negotiation-state.js'
import { go, info } from './opt-go.js'
import { listMetaContext, setMetaContext } from './opt-meta-context.js'

/** NBD_OPT_ABORT. Data that comes with it is ignored, as "Option types" advises. */
export const abort: OptionHandler = {
  answer(option, _data, negotiation) {
    negotiation.reply(option, Rep.Ack)
    return close
  },
}

/** NBD_OPT_LIST. */
export const list: OptionHandler = {
  feature: 'list',
  answer(option, data, negotiation) {
    if (data.length > 0) {
      negotiation.refuse(
        option,
        Rep.ErrInvalid,
        `NBD_OPT_LIST: expected no data, received ${data.length} bytes`,
      )
      return haggle
    }
    for (const entry of negotiation.exports.list())
      negotiation.reply(option, Rep.Server, encodeListEntry(entry))
    negotiation.reply(option, Rep.Ack)
    return haggle
  },
}

/** NBD_OPT_STARTTLS, once. What was negotiated in plaintext may have come from anybody: it is forgotten. */
export const startTls: OptionHandler = {
  answer(option, data, negotiation) {
    if (data.length > 0) {
      negotiation.refuse(
        option,
        Rep.ErrInvalid,
        `NBD_OPT_STARTTLS: expected no data, received ${data.length} bytes`,
      )
      return haggle
    }
    if (negotiation.isEncrypted) {
      negotiation.refuse(option, Rep.ErrInvalid, 'NBD_OPT_STARTTLS: TLS is on already')
      return haggle
    }
    negotiation.forget()
    negotiation.reply(option, Rep.Ack)
    return { kind: 'startTls' }
  },
}

/**
 * NBD_OPT_STRUCTURED_REPLY. Asking for it again changes nothing; asking for it behind NBD_OPT_EXTENDED_HEADERS is a
 * way back that there is not.
 */
export const structuredReply: OptionHandler = {
  feature: 'structuredReplies',
  answer(option, data, negotiation) {
    if (data.length > 0) {
      const text = `NBD_OPT_STRUCTURED_REPLY: expected no data, received ${data.length} bytes`
      negotiation.refuse(option, Rep.ErrInvalid, text)
      return haggle
    }
    if (negotiation.extendedHeaders) {
      const text = 'NBD_OPT_STRUCTURED_REPLY: extended headers were negotiated, which bring more than that'
      negotiation.refuse(option, Rep.ErrExtHeaderReqd, text)
      return haggle
    }
    negotiation.structuredReplies = true
    negotiation.reply(option, Rep.Ack)
    return haggle
  },
}

/** NBD_OPT_EXTENDED_HEADERS: brings structured replies with it. Asking for it again changes nothing. */
export const extendedHeaders: OptionHandler = {
  feature: 'extendedHeaders',
  answer(option, data, negotiation) {
    if (data.length > 0) {
      const text = `NBD_OPT_EXTENDED_HEADERS: expected no data, received ${data.length} bytes`
      negotiation.refuse(option, Rep.ErrInvalid, text)
      return haggle
    }
    negotiation.extendedHeaders = true
    negotiation.structuredReplies = true
    negotiation.reply(option, Rep.Ack)
    return haggle
  },
}

/**
 * How each option is answered. What is not here is answered by NBD_REP_ERR_UNSUP. NBD_OPT_EXPORT_NAME is not
 * here because it is answered outside of the frame of option replies.
 */
const rows: ReadonlyMap<number, OptionHandler> = new Map([
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

/** The row of an option, unless it is unknown or switched off. */
export function findOptionHandler(option: number, features: ServerFeatures): OptionHandler | undefined {
  const row = rows.get(option)
  return row?.feature === undefined || features[row.feature] ? row : undefined
}
