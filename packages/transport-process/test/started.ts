import type { Connection, Transport } from '@nbdjs/core'
import { RecordingReceiver } from '@nbdjs/testing'

const running: Connection[] = []

/** Destroys every connection of `started`. Call it after each test. */
export async function destroyStarted(): Promise<void> {
  const connections = running.splice(0)
  for (const connection of connections) connection.destroy()
  await Promise.all(connections.map((connection) => connection.close()))
}

/** Dials and starts a connection. */
export async function started(
  transport: Transport,
): Promise<{ connection: Connection; receiver: RecordingReceiver }> {
  const connection = await transport.dial({ signal: new AbortController().signal })
  const receiver = new RecordingReceiver()
  running.push(connection)
  connection.start(receiver)
  return { connection, receiver }
}

/** Everything that the peer sends until it ends the connection. */
export async function everythingFrom(transport: Transport): Promise<string> {
  const { connection, receiver } = await started(transport)
  await receiver.until(() => receiver.calls.includes('ended') || receiver.calls.includes('closed'))
  await connection.close()
  const error = await receiver.closedWith
  if (error !== undefined) throw error
  return receiver.text
}

/** The error that `dial` rejects with. */
export async function failureOf(
  transport: Transport,
  signal: AbortSignal = new AbortController().signal,
): Promise<unknown> {
  const connection = await transport.dial({ signal }).catch((error: unknown) => ({ error }))
  if ('error' in connection) return connection.error
  connection.destroy()
  throw new Error('the dial resolved')
}
