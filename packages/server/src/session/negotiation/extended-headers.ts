import { Rep } from '@nbdjs/core/wire'
import { haggle, type OptionRow } from './option-row.js'

/** NBD_OPT_EXTENDED_HEADERS: brings structured replies with it. Asking for it again changes nothing. */
export const extendedHeaders: OptionRow = {
  feature: 'extendedHeaders',
  answer(option, data, haggling) {
    if (data.length > 0) {
      const text = `NBD_OPT_EXTENDED_HEADERS: expected no data, received ${data.length} bytes`
      haggling.refuse(option, Rep.ErrInvalid, text)
      return haggle
    }
    haggling.extendedHeaders = true
    haggling.structuredReplies = true
    haggling.reply(option, Rep.Ack)
    return haggle
  },
}
