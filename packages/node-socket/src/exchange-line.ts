import { type Errno, NbdTransportError, NbdUsageError, type Receiver } from '@nbdjs/core'
import { NodeSocketConnection, type SocketConnection } from './socket-connection.js'

export interface ExchangeLineOptions {
  /** Aborts the exchange: it then rejects with the signal's own reason. */
  readonly signal: AbortSignal
  /** The longest answer to accept, in bytes, without its newline. */
  readonly maxLength: number
}

const newline = 0x0a

/**
 * Sends one line of text and takes one in return, before `start()`. Both end in a newline, which is added here
 * and not part of the answer. The answer is read up to its newline and not a byte further: `start()` delivers
 * what follows.
 *
 * Rejects with a NbdTransportError when the peer closes or sends no newline within `maxLength` bytes; then, and
 * when aborted, the connection is closed.
 */
export async function exchangeLine(
  connection: SocketConnection,
  line: string,
  { signal, maxLength }: ExchangeLineOptions,
): Promise<string> {
  if (!(connection instanceof NodeSocketConnection)) {
    throw new NbdUsageError('exchangeLine: connection was not made by @nbdjs/node-socket')
  }
  try {
    signal.throwIfAborted()
    return await exchange(connection, line, signal, maxLength)
  } catch (error) {
    connection.destroy()
    await connection.close()
    throw error
  }
}

function exchange(
  connection: NodeSocketConnection,
  line: string,
  signal: AbortSignal,
  maxLength: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      connection.detach()
      then()
    }
    const onAbort = (): void => settle(() => reject(signal.reason))
    signal.addEventListener('abort', onAbort, { once: true })
    const answer = new LineReceiver(maxLength, {
      line: (text) => settle(() => resolve(text)),
      failed: (what, errno, cause) => {
        const { address } = connection
        const message = `dial of ${address} failed: sent ${JSON.stringify(line)}, expected a line in return, but ${what}`
        settle(() => reject(new NbdTransportError(message, { operation: 'dial', address, errno, cause })))
      },
    })
    connection.attach(answer)
    connection.write([new TextEncoder().encode(`${line}\n`)])
  })
}

interface LineOutcome {
  line(text: string): void
  failed(what: string, errno: Errno, cause?: Error): void
}

/** Lends one byte at a time, so that whatever comes after the newline stays unread. */
class LineReceiver implements Receiver {
  readonly #maxLength: number
  readonly #outcome: LineOutcome
  readonly #view: Uint8Array = new Uint8Array(1)
  readonly #bytes: number[] = []

  constructor(maxLength: number, outcome: LineOutcome) {
    this.#maxLength = maxLength
    this.#outcome = outcome
  }

  buffer(): Uint8Array {
    return this.#view
  }

  received(): void {
    const byte = this.#view[0] as number
    if (byte === newline) {
      this.#outcome.line(this.#text())
      return
    }
    this.#bytes.push(byte)
    if (this.#bytes.length > this.#maxLength) {
      this.#outcome.failed(
        `${this.#sofar()} came without a newline, ${this.#maxLength} are allowed`,
        'EPROTO',
      )
    }
  }

  drained(): void {}

  ended(): void {
    this.#outcome.failed(`the peer closed the connection after ${this.#sofar()}`, 'ECONNRESET')
  }

  closed(error?: Error): void {
    const errno = (error as Partial<NbdTransportError> | undefined)?.errno ?? 'ECONNRESET'
    this.#outcome.failed(`the connection broke after ${this.#sofar()}: ${error?.message}`, errno, error)
  }

  #text(): string {
    return new TextDecoder().decode(Uint8Array.from(this.#bytes))
  }

  #sofar(): string {
    const { length } = this.#bytes
    return length === 0 ? '0 bytes' : `${length} bytes ${JSON.stringify(this.#text())}`
  }
}
