import { argumentError, type Errno, NbdTransportError, onAbort, quote, type Receiver } from '@nbdjs/core'
import { NodeSocketConnection, type SocketConnection } from './socket-connection.js'

/** The options of {@link exchangeLine}. */
export interface ExchangeLineOptions {
  /** Aborts the exchange: it then rejects with the signal's own reason. */
  readonly signal: AbortSignal
  /** The longest answer to accept, in bytes, without its newline. At least 1. */
  readonly maxLength: number
  /** Gets the step that is waited for: see `DialOptions.onStep`. */
  readonly onStep?: ((step: string) => void) | undefined
}

const newline = 0x0a

/**
 * Sends one line of text and reads one line in return, before `start()`. The newlines are added and removed here. No byte
 * after the newline of the answer is read: `start()` delivers what follows. When it rejects, the connection is closed.
 *
 * @param connection A connection of this package, not started.
 * @param line The text to send, without a newline.
 * @returns the answer, without its newline.
 * @throws {NbdTransportError} when the connection ends, or sends no newline within `maxLength` bytes.
 * @throws {NbdUsageError} when the connection is not of this package.
 * @throws the signal's own reason when aborted.
 * @example
 * const answer = await exchangeLine(connection, 'CONNECT 10809', { signal, maxLength: 64 })
 */
export async function exchangeLine(
  connection: SocketConnection,
  line: string,
  options: ExchangeLineOptions,
): Promise<string> {
  if (!(connection instanceof NodeSocketConnection)) {
    throw argumentError('exchangeLine', 'connection', 'a connection of @nbdjs/node-socket', connection)
  }
  try {
    options.signal.throwIfAborted()
    return await exchange(connection, line, options)
  } catch (error) {
    connection.destroy()
    await connection.close()
    throw error
  }
}

function exchange(
  connection: NodeSocketConnection,
  line: string,
  { signal, maxLength, onStep }: ExchangeLineOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void): void => {
      offAbort()
      connection.detach()
      then()
    }
    const offAbort = onAbort(signal, () => settle(() => reject(signal.reason)))
    const answer = new LineReceiver(maxLength, {
      line: (text) => settle(() => resolve(text)),
      progress: (sofar) => onStep?.(`sent ${quote(line)}, waiting for a line in return, received ${sofar}`),
      failed: (what, errno, cause) => {
        const { address } = connection
        const message = `dial of ${address} failed: sent ${quote(line)}, expected a line in return, but ${what}`
        settle(() => reject(new NbdTransportError(message, { operation: 'dial', address, errno, cause })))
      },
    })
    connection.attach(answer)
    connection.write([new TextEncoder().encode(`${line}\n`)])
  })
}

interface LineOutcome {
  line(text: string): void
  progress(sofar: string): void
  failed(what: string, errno: Errno, cause?: Error): void
}

/** Offers one byte at a time: what follows the newline stays unread. */
class LineReceiver implements Receiver {
  readonly #maxLength: number
  readonly #outcome: LineOutcome
  readonly #view: Uint8Array = new Uint8Array(1)
  readonly #bytes: number[] = []

  constructor(maxLength: number, outcome: LineOutcome) {
    this.#maxLength = maxLength
    this.#outcome = outcome
    outcome.progress(this.#sofar())
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
        `received ${this.#sofar()} without a newline, at most ${this.#maxLength} are allowed`,
        'EPROTO',
      )
      return
    }
    this.#outcome.progress(this.#sofar())
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
    return length === 0 ? '0 bytes' : `${length} bytes ${quote(this.#text())}`
  }
}
