import { connect, type Transport } from '@nbdjs/core'

/** Writes to the export `disk0`, and reads it back. */
export async function writeAndRead(transport: Transport): Promise<string> {
  await using nbd = await connect(transport, { exportName: 'disk0' })
  console.log(`${nbd.info.size} bytes, ${nbd.info.readOnly ? 'read-only' : 'writable'}`)

  await nbd.pwrite(new TextEncoder().encode('hello'), 4096, { fua: nbd.info.canFua })
  return new TextDecoder().decode(await nbd.pread(5, 4096))
  // `await using` shuts the connection down here: it waits for the commands in flight, then disconnects.
}
