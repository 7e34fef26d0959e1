import { connect, type HandleOptions, NbdError, type Transport } from '@nbdjs/core'

/** A write: the bytes, and their position in the export. */
export interface Block {
  readonly data: Uint8Array
  readonly offset: bigint
}

/** Writes all blocks to stable storage. If the connection is lost, it connects again and writes all of them again. */
export async function writeAll(
  transport: Transport,
  options: HandleOptions,
  blocks: readonly Block[],
  attempts = 3,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await using nbd = await connect(transport, options)
      await Promise.all(blocks.map(({ data, offset }) => nbd.pwrite(data, offset)))
      await nbd.flush()
      return
    } catch (error) {
      const isWorthRepeating = error instanceof NbdError && error.isConnectionLost
      if (!isWorthRepeating || attempt === attempts) throw error
    }
  }
}
