import type { Extent, Handle } from '@nbdjs/core'

/** The longest length that a 32-bit request holds, and the longest that `blockStatus` takes. */
const maxShort = 2n ** 32n - 1n
const maxLong = 2n ** 53n - 1n

/**
 * The extents of a whole export in one meta context, adjoining and as long as they get. A server may tell about less
 * than it was asked for: the next request begins where its reply ended.
 */
export async function* extents(nbd: Handle<boolean>, context: string): AsyncGenerator<Extent> {
  let pending: Extent | undefined
  for await (const extent of pieces(nbd, context)) {
    if (pending === undefined) {
      pending = extent
    } else if (pending.flags === extent.flags) {
      pending = { ...pending, length: pending.length + extent.length }
    } else {
      yield pending
      pending = extent
    }
  }
  if (pending !== undefined) yield pending
}

/** The same as the server tells them, reply after reply. */
async function* pieces(nbd: Handle<boolean>, context: string): AsyncGenerator<Extent> {
  const { size, blockSize } = nbd.info
  const max = nbd.session.extendedHeaders ? maxLong : maxShort
  const longest = max - (max % BigInt(Math.max(1, blockSize.minimum)))
  for (let offset = 0n; offset < size; ) {
    const length = size - offset < longest ? size - offset : longest
    const status = await nbd.blockStatus(length, offset, { contexts: [context] })
    for (const extent of status.get(context) ?? []) {
      yield extent
      offset = extent.offset + extent.length
    }
  }
}
