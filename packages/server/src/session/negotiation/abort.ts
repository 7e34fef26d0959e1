import { Rep } from '@nbdjs/core/wire'
import { close, type OptionRow } from './option-row.js'

/** NBD_OPT_ABORT. Data that comes with it is ignored, as "Option types" advises. */
export const abort: OptionRow = {
  answer(option, _data, haggling) {
    haggling.reply(option, Rep.Ack)
    return close
  },
}
