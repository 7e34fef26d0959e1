import { Handle, type Transport } from '@nbdjs/core'

/** Reads the first 4 KiB, and prints the messages of the protocol. */
export async function readTraced(transport: Transport): Promise<Uint8Array> {
  await using nbd = new Handle({ exportName: 'disk0', name: 'disk' })
  nbd.on('debug', (line) => console.log(line))
  await nbd.connect(transport)
  return await nbd.pread(4096, 0)
}
