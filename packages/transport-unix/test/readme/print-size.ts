import { connect } from '@nbdjs/core'
import { unix } from '@nbdjs/transport-unix'

/** Prints the size of the disk that a server exports. */
export async function printSize(path: string): Promise<void> {
  const nbd = await connect(unix(path))
  console.log(`${nbd.info.size} bytes`)
  await nbd.shutdown()
}
