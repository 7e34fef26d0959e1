import type { Extent, Handle } from '@nbdjs/core'

/**
 * The most that is asked about at once: what a 32-bit request holds, and what `blockStatus` takes, in whole blocks of any
 * size. All of the 32 bits would stop nbdkit 1.32, whose extents then are longer than it expects.
 */
const maxShort = 2n ** 32n - 2n ** 16n
const maxLong = 2n ** 53n - 2n ** 16n
/** The first time, and at the least. A power of two, as what becomes of it: so it is of whole blocks. */
const shortest = 2n ** 27n

/** A reply of about so many extents is neither long to wait for nor large to keep. */
const fewExtents = 1024
const manyExtents = 4096

/**
 * The extents of a whole export in one meta context, adjoining and as long as they get, list by list. A server may tell
 * about less than it was asked for: the next request begins where its reply ended.
 */
export async function* extents(nbd: Handle<boolean>, context: string): AsyncGenerator<readonly Extent[]> {
  let pending: Extent | undefined
  for await (const piece of pieces(nbd, context)) {
    const joined = join(pending, piece)
    // The next reply may go on with it.
    pending = joined.pop()
    yield joined
  }
  if (pending !== undefined) yield [pending]
}

/** Makes one of neighbours with the same flags. */
function join(first: Extent | undefined, rest: readonly Extent[]): Extent[] {
  const joined = first === undefined ? [] : [first]
  for (const extent of rest) {
    const last = joined.at(-1)
    if (last?.flags !== extent.flags) joined.push(extent)
    else joined[joined.length - 1] = { ...last, length: last.length + extent.length }
  }
  return joined
}

/** The same as the server tells them, reply by reply. The next one is on its way while one is looked at. */
async function* pieces(nbd: Handle<boolean>, context: string): AsyncGenerator<readonly Extent[]> {
  const { size } = nbd.info
  const longest = nbd.session.extendedHeaders ? maxLong : maxShort
  let length = shortest
  const ask = async (offset: bigint): Promise<readonly Extent[]> => {
    const range = [length, longest, size - offset].reduce(smaller)
    const status = await nbd.blockStatus(range, offset, { contexts: [context] })
    return status.get(context) ?? []
  }
  for (let next = size > 0n ? ask(0n) : undefined; next !== undefined; ) {
    const piece = await next
    const end = endOf(piece)
    if (piece.length < fewExtents && length < longest) length *= 2n
    if (piece.length > manyExtents && length > shortest) length /= 2n
    next = end < size ? ask(end) : undefined
    // Whoever leaves the loop early does not wait for it.
    next?.catch(() => {})
    yield piece
  }
}

function smaller(one: bigint, other: bigint): bigint {
  return one < other ? one : other
}

/** A reply tells about one extent at least. */
function endOf(piece: readonly Extent[]): bigint {
  const last = piece.at(-1) as Extent
  return last.offset + last.length
}
