import { Rep } from '@nbdjs/core/wire'
import { haggle, type OptionRow } from './option-row.js'

/** NBD_OPT_STARTTLS, once. What was negotiated in plaintext may have come from anybody: it is forgotten. */
export const startTls: OptionRow = {
  answer(option, data, haggling) {
    if (data.length > 0) {
      haggling.refuse(
        option,
        Rep.ErrInvalid,
        `NBD_OPT_STARTTLS: expected no data, received ${data.length} bytes`,
      )
      return haggle
    }
    if (haggling.isEncrypted) {
      haggling.refuse(option, Rep.ErrInvalid, 'NBD_OPT_STARTTLS: TLS is on already')
      return haggle
    }
    haggling.forget()
    haggling.reply(option, Rep.Ack)
    return { kind: 'startTls' }
  },
}
