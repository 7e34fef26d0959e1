import { Rep } from '@nbdjs/core/wire'
import { haggle, type OptionRow } from './option-row.js'

/**
 * NBD_OPT_STRUCTURED_REPLY. Asking for it again changes nothing; asking for it behind NBD_OPT_EXTENDED_HEADERS is a
 * way back that there is not.
 */
export const structuredReply: OptionRow = {
  feature: 'structuredReplies',
  answer(option, data, haggling) {
    if (data.length > 0) {
      const text = `NBD_OPT_STRUCTURED_REPLY: expected no data, received ${data.length} bytes`
      haggling.refuse(option, Rep.ErrInvalid, text)
      return haggle
    }
    if (haggling.extendedHeaders) {
      const text = 'NBD_OPT_STRUCTURED_REPLY: extended headers were negotiated, which bring more than that'
      haggling.refuse(option, Rep.ErrExtHeaderReqd, text)
      return haggle
    }
    haggling.structuredReplies = true
    haggling.reply(option, Rep.Ack)
    return haggle
  },
}
