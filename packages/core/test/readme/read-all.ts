import type { Handle } from '@nbdjs/core'

const LENGTH = 256 * 1024
const IN_FLIGHT = 16

/** Reads the whole export, many requests at once, into memory that is reused. The pieces come in any order. */
export async function readAll(
  nbd: Handle,
  use: (piece: Uint8Array, offset: bigint) => void | Promise<void>,
): Promise<void> {
  const { size } = nbd.info
  let next = 0n
  const reader = async (): Promise<void> => {
    const buffer = new Uint8Array(LENGTH)
    while (next < size) {
      const offset = next
      const piece = size - offset < LENGTH ? buffer.subarray(0, Number(size - offset)) : buffer
      next += BigInt(piece.length)
      await nbd.preadInto(piece, offset)
      // The next read overwrites the piece.
      await use(piece, offset)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, reader))
}
