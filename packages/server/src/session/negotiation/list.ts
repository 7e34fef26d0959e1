import { encodeListEntry, Rep } from '@nbdjs/core/wire'
import { haggle, type OptionRow } from './option-row.js'

/** NBD_OPT_LIST. */
export const list: OptionRow = {
  feature: 'list',
  answer(option, data, haggling) {
    if (data.length > 0) {
      haggling.refuse(option, Rep.ErrInvalid, `NBD_OPT_LIST: expected no data, received ${data.length} bytes`)
      return haggle
    }
    for (const entry of haggling.exports.list()) haggling.reply(option, Rep.Server, encodeListEntry(entry))
    haggling.reply(option, Rep.Ack)
    return haggle
  },
}
