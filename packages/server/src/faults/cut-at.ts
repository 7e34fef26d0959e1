import type { Fault } from './fault.js'

export interface CutOptions {
  /** Reset the connection, which may drop bytes before the cut, instead of closing it behind them. Default: false. */
  readonly reset?: boolean
}

/** Sends the first `position` bytes of the stream, and no more: the connection ends there. */
export function cutAt(position: number, { reset = false }: CutOptions = {}): Fault {
  return (link) => {
    let sent = 0
    let isCut = false
    const cut = (): void => {
      isCut = true
      if (reset) link.destroy()
      else link.close()
    }
    return {
      message(message) {
        if (isCut) return
        const bytes = message.bytes.subarray(0, position - sent)
        sent += bytes.length
        if (bytes.length > 0) link.send({ ...message, bytes })
        if (sent === position) cut()
      },
    }
  }
}
