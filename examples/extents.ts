import type { Extent, Handle } from '@nbdjs/core'

/**
 * The longest range of one request, with 32-bit and with 64-bit requests: multiples of every block size. A range of 2^32 - 1
 * bytes stops nbdkit 1.32 with an assertion.
 */
const maxShort = 2n ** 32n - 2n ** 16n
const maxLong = 2n ** 53n - 2n ** 16n
/** The length of the first range, and of the shortest one. */
const minLength = 2n ** 27n

/** The length of the ranges is adapted until a reply has this number of extents: short to wait for and small to keep. */
const fewExtents = 1024
const manyExtents = 4096

/** Requests in flight: a map over a connection with 5 ms latency takes 1.5 s, and 4 s with one request at a time. */
const inFlight = 4
/** The factor for ranges with very few extents: one doubling for each request in flight. */
const growth = 2 ** inFlight

/**
 * Yields the extents of a whole export in one meta context, in lists. Neighbours with the same flags are merged. Several
 * requests are in flight; if the server answers for a part of a range only, the rest is requested.
 */
export async function* extents(nbd: Handle, context: string): AsyncGenerator<readonly Extent[]> {
  let pending: Extent | undefined
  for await (const piece of pieces(nbd, context)) {
    const merged = merge(pending, piece)
    // The next list may continue this extent.
    pending = merged.pop()
    yield merged
  }
  if (pending !== undefined) yield [pending]
}

/** Merges neighbours with the same flags. */
function merge(first: Extent | undefined, rest: readonly Extent[]): Extent[] {
  const merged = first === undefined ? [] : [first]
  for (const extent of rest) {
    const last = merged.at(-1)
    if (last?.flags !== extent.flags) merged.push(extent)
    else merged[merged.length - 1] = { ...last, length: last.length + extent.length }
  }
  return merged
}

/** A part of the export and the first reply for it. */
interface Range {
  readonly length: bigint
  readonly end: bigint
  readonly reply: Promise<readonly Extent[]>
}

/** Yields the extents of each reply, clipped to the requested range. */
async function* pieces(nbd: Handle, context: string): AsyncGenerator<readonly Extent[]> {
  const { size } = nbd.info
  const longest = nbd.session.extendedHeaders ? maxLong : maxShort
  const request = (start: bigint, end: bigint): Promise<readonly Extent[]> => {
    const status = nbd.blockStatus(end - start, start, { contexts: [context] })
    const reply = status.then((lists) => clipped(lists.get(context) ?? [], end))
    // If the caller leaves the loop early, this reply is not awaited.
    reply.catch(() => {})
    return reply
  }
  const ranges: Range[] = []
  let length = minLength
  let requested = 0n
  const requestMore = (): void => {
    while (requested < size && ranges.length < inFlight) {
      const end = min(requested + length, size)
      ranges.push({ length, end, reply: request(requested, end) })
      requested = end
    }
  }
  requestMore()
  for (let range = ranges.shift(); range !== undefined; range = ranges.shift()) {
    let piece = await range.reply
    length = nextLength(range.length, piece.length, longest)
    requestMore()
    while (endOf(piece) < range.end) {
      // In flight while the caller processes this piece.
      const rest = request(endOf(piece), range.end)
      yield piece
      piece = await rest
    }
    yield piece
  }
}

/** The length of the next range, after a range of `length` bytes had `count` extents. */
function nextLength(length: bigint, count: number, longest: bigint): bigint {
  if (count * growth < fewExtents) return min(BigInt(growth) * length, longest)
  if (count < fewExtents) return min(2n * length, longest)
  return count > manyExtents && length > minLength ? length / 2n : length
}

/** Cuts the last extent at `end`. */
function clipped(extents: readonly Extent[], end: bigint): readonly Extent[] {
  const last = extents.at(-1)
  if (last === undefined || endOf(extents) <= end) return extents
  return [...extents.slice(0, -1), { ...last, length: end - last.offset }]
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

/** The end of the last extent. A reply has at least one. */
function endOf(piece: readonly Extent[]): bigint {
  const last = piece.at(-1) as Extent
  return last.offset + last.length
}
