import type { Handle } from '@nbdjs/core'

const LENGTH = 64 * 1024
const AT_ONCE = 16

/** Reads the whole export, many requests at once. The pieces come in any order. */
export async function readAll(
  nbd: Handle<boolean>,
  take: (piece: Uint8Array, offset: bigint) => void,
): Promise<void> {
  const { size } = nbd.info
  let next = 0n
  const reader = async (): Promise<void> => {
    while (next < size) {
      const offset = next
      const length = Math.min(LENGTH, Number(size - offset))
      next += BigInt(length)
      take(await nbd.pread(length, offset), offset)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, reader))
}
