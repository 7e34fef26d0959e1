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

/** So many requests are on their way at once: a map over a line of 5 ms took 1.5 s so, and 4 s one after the other. */
const ahead = 4
/** What doubling comes to when those on their way were asked for before: a map of nothing is soon done. */
const leap = 2 ** ahead

/**
 * The extents of a whole export in one meta context, adjoining and as long as they get, list by list. Several parts of it
 * are asked about at once. A server may tell about less than it was asked for: then it is asked for the rest.
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

/** A part of the export, and what the server tells about it first. */
interface Range {
  readonly length: bigint
  readonly end: bigint
  readonly reply: Promise<readonly Extent[]>
}

/** The same as the server tells them, reply by reply, without what it tells beyond what it was asked for. */
async function* pieces(nbd: Handle<boolean>, context: string): AsyncGenerator<readonly Extent[]> {
  const { size } = nbd.info
  const longest = nbd.session.extendedHeaders ? maxLong : maxShort
  const ask = (start: bigint, end: bigint): Promise<readonly Extent[]> => {
    const status = nbd.blockStatus(end - start, start, { contexts: [context] })
    const reply = status.then((lists) => clipped(lists.get(context) ?? [], end))
    // Whoever leaves the loop early does not wait for it.
    reply.catch(() => {})
    return reply
  }
  const ranges: Range[] = []
  let length = shortest
  let asked = 0n
  const goAhead = (): void => {
    while (asked < size && ranges.length < ahead) {
      const end = smaller(asked + length, size)
      ranges.push({ length, end, reply: ask(asked, end) })
      asked = end
    }
  }
  goAhead()
  for (let range = ranges.shift(); range !== undefined; range = ranges.shift()) {
    let piece = await range.reply
    length = nextLength(range.length, piece.length, longest)
    goAhead()
    while (endOf(piece) < range.end) {
      // It is on its way while this piece is looked at.
      const rest = ask(endOf(piece), range.end)
      yield piece
      piece = await rest
    }
    yield piece
  }
}

/** How much to ask about, after so much brought so many extents. */
function nextLength(length: bigint, count: number, longest: bigint): bigint {
  if (count * leap < fewExtents) return smaller(BigInt(leap) * length, longest)
  if (count < fewExtents) return smaller(2n * length, longest)
  return count > manyExtents && length > shortest ? length / 2n : length
}

/** The last extent may reach further than asked. */
function clipped(extents: readonly Extent[], end: bigint): readonly Extent[] {
  const last = extents.at(-1)
  if (last === undefined || endOf(extents) <= end) return extents
  return [...extents.slice(0, -1), { ...last, length: end - last.offset }]
}

function smaller(one: bigint, other: bigint): bigint {
  return one < other ? one : other
}

/** A reply tells about one extent at least. */
function endOf(piece: readonly Extent[]): bigint {
  const last = piece.at(-1) as Extent
  return last.offset + last.length
}
