import { connect } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { memoryBackend, Server } from '@nbdjs/server'

/** Writes to an export and reads it back, without a socket. */
export async function roundTrip(text: string): Promise<string> {
  await using server = new Server({ exports: { '': memoryBackend(2 ** 20) } })
  const nbd = await connect(inProcess((connection) => server.accept(connection)))
  const data = new TextEncoder().encode(text)
  await nbd.pwrite(data, 4096)
  const copy = await nbd.pread(data.length, 4096)
  await nbd.shutdown()
  return new TextDecoder().decode(copy)
}
