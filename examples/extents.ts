import type { Extent, Handle } from '@nbdjs/core'

/**
 * How much is asked about at once: what a 32-bit request holds, and what `blockStatus` takes, in whole blocks of any size.
 * All of the 32 bits would stop nbdkit 1.32, whose extents then are longer than it expects.
 */
const maxShort = 2n ** 32n - 2n ** 16n
const maxLong = 2n ** 53n - 2n ** 16n

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
  const { size } = nbd.info
  const longest = nbd.session.extendedHeaders ? maxLong : maxShort
  for (let offset = 0n; offset < size; ) {
    const length = size - offset < longest ? size - offset : longest
    const status = await nbd.blockStatus(length, offset, { contexts: [context] })
    for (const extent of status.get(context) ?? []) {
      yield extent
      offset = extent.offset + extent.length
    }
  }
}
