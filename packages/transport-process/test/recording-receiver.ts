import type { Connection, Receiver, Transport } from '@nbdjs/core'

/** Keeps what a connection delivers. */
export class RecordingReceiver implements Receiver {
  /** The names of the calls but `buffer`, in order. */
  readonly calls: string[] = []
  text = ''
  readonly closedWith: Promise<Error | undefined>
  readonly #view = new Uint8Array(1024)
  #wake: (() => void)[] = []
  #resolveClosed!: (error: Error | undefined) => void

  constructor() {
    this.closedWith = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  /** Resolves once `condition` holds, which is tried after each call. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve))
  }

  buffer(): Uint8Array {
    return this.#view
  }

  received(count: number): void {
    this.text += Buffer.from(this.#view.subarray(0, count)).toString('latin1')
    this.#called('received')
  }

  drained(): void {
    this.#called('drained')
  }

  ended(): void {
    this.#called('ended')
  }

  closed(error?: Error): void {
    this.#resolveClosed(error)
    this.#called('closed')
  }

  #called(name: string): void {
    this.calls.push(name)
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }
}

const running: Connection[] = []

/** Ends what `started` has started, for the end of a test. */
export async function destroyStarted(): Promise<void> {
  const connections = running.splice(0)
  for (const connection of connections) connection.destroy()
  await Promise.all(connections.map((connection) => connection.close()))
}

/** A connection that was dialled and started. */
export async function started(
  transport: Transport,
): Promise<{ connection: Connection; receiver: RecordingReceiver }> {
  const connection = await transport.dial({ signal: new AbortController().signal })
  const receiver = new RecordingReceiver()
  running.push(connection)
  connection.start(receiver)
  return { connection, receiver }
}

/** All that the other end says before it ends. */
export async function everythingFrom(transport: Transport): Promise<string> {
  const { connection, receiver } = await started(transport)
  await receiver.until(() => receiver.calls.includes('ended') || receiver.calls.includes('closed'))
  await connection.close()
  const error = await receiver.closedWith
  if (error !== undefined) throw error
  return receiver.text
}

/** What a dial rejects with. */
export async function failureOf(
  transport: Transport,
  signal: AbortSignal = new AbortController().signal,
): Promise<unknown> {
  const connection = await transport.dial({ signal }).catch((error: unknown) => ({ error }))
  if ('error' in connection) return connection.error
  connection.destroy()
  throw new Error('the dial resolved')
}
