import { connect } from '@nbdjs/core'
import { tcp } from '@nbdjs/transport-tcp'

/** Prints the size of the disk that a server exports. */
export async function printSize(host: string, port: number): Promise<void> {
  const nbd = await connect(tcp(host, port))
  console.log(`${nbd.info.size} bytes`)
  await nbd.shutdown()
}
