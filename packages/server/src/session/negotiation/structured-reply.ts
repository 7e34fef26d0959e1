import { Rep } from '@nbdjs/core/wire'
import { haggle, type OptionRow } from './option-row.js'

/** NBD_OPT_STRUCTURED_REPLY. Asking for it again changes nothing. */
export const structuredReply: OptionRow = {
  feature: 'structuredReplies',
  answer(option, data, haggling) {
    if (data.length > 0) {
      const text = `NBD_OPT_STRUCTURED_REPLY: expected no data, received ${data.length} bytes`
      haggling.refuse(option, Rep.ErrInvalid, text)
      return haggle
    }
    haggling.structuredReplies = true
    haggling.reply(option, Rep.Ack)
    return haggle
  },
}
