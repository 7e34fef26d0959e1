import type { Connection, Receiver } from '@nbdjs/core'

/** The client sends a word, the server answers it, then both close. Rejects with the error of the client. */
export async function exchange({
  client,
  server,
}: {
  readonly client: Connection
  readonly server: Connection
}): Promise<void> {
  const echo: Connection = server
  const word = new TextEncoder().encode('a word in confidence')
  const atServer = collect((bytes) => {
    if (bytes.length === word.length) echo.write([Uint8Array.from(bytes).reverse()])
  })
  server.start(atServer.receiver)
  const answer = await new Promise<readonly number[]>((resolve, reject) => {
    const atClient = collect((bytes) => {
      if (bytes.length === word.length) resolve(bytes)
    }, reject)
    client.start(atClient.receiver)
    client.write([word])
  })
  if (String(answer) !== String([...word].reverse())) throw new Error(`the answer is ${answer}`)
  await Promise.all([client.close(), server.close()])
}

function collect(
  arrived: (bytes: readonly number[]) => void,
  broken: (error: Error) => void = () => {},
): { readonly receiver: Receiver } {
  const view = new Uint8Array(7)
  const bytes: number[] = []
  return {
    receiver: {
      buffer: () => view,
      received: (count) => {
        bytes.push(...view.subarray(0, count))
        arrived(bytes)
      },
      drained: () => {},
      ended: () => {},
      closed: (error) => broken(error ?? new Error('closed')),
    },
  }
}
