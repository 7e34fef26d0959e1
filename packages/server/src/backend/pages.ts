import { ExtentFlag } from '@nbdjs/core'
import type { BlockDescriptor } from '@nbdjs/core/wire'
import {
  type Hole,
  type Offset,
  type RangeLength,
  type ReadPart,
  type ReadResult,
  ZERO_COPY_THRESHOLD,
} from './backend.js'
import { ExportError } from './export-error.js'

/** Bytes of one page: the unit in which memory is taken, lent and given back. */
export const PAGE_SIZE = 65536
const PAGE_BITS = 16n
/** So many pages have bytes that a `number` can count. */
const SAFE_PAGES = 2 ** 36
const HOLE_AND_ZERO = ExtentFlag.Hole | ExtentFlag.Zero

interface Page {
  bytes: Uint8Array
  /** Part of it was lent for sending: its bytes must never change again, so a write replaces them. */
  lent: boolean
}

/** What zeroing makes of pages: gives whole ones back, keeps those that are there, or takes those that are not, too. */
export type Zeroing = 'free' | 'keep' | 'allocate'

/** Memory that is there only where it was written to. */
export class Pages {
  readonly #pages = new Map<number, Page>()
  readonly #limit: number

  /** `limit`: the most bytes to take; a write beyond it fails with ENOSPC. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Bytes taken. */
  get allocated(): number {
    return this.#pages.size * PAGE_SIZE
  }

  read(length: number, offset: Offset): ReadResult {
    const index = pageIndex(offset)
    const start = pagePosition(offset)
    if (start + length <= PAGE_SIZE) return this.#readInPage(index, start, length)
    const parts: ReadPart[] = []
    for (const piece of pieces(index, start, length)) {
      parts.push(this.#readPart(piece.index, piece.start, piece.length))
    }
    return parts
  }

  #readInPage(index: number, start: number, length: number): ReadResult {
    const part = this.#readPart(index, start, length)
    return 'hole' in part ? [part] : part
  }

  #readPart(index: number, start: number, length: number): Uint8Array | Hole {
    const page = this.#pages.get(index)
    if (page === undefined) return { hole: length }
    if (length >= ZERO_COPY_THRESHOLD) page.lent = true
    return page.bytes.subarray(start, start + length)
  }

  write(data: Uint8Array, offset: Offset): void {
    let done = 0
    for (const { index, start, length } of pieces(pageIndex(offset), pagePosition(offset), data.length)) {
      const piece = data.subarray(done, done + length)
      if (length === PAGE_SIZE) this.#replace(index, piece)
      else this.#changeable(index).set(piece, start)
      done += length
    }
  }

  /** Makes the range read as zeroes. */
  zero(length: RangeLength, offset: Offset, zeroing: Zeroing): void {
    const span = spanOf(length, offset)
    for (const index of zeroing === 'allocate' ? indexesOf(span) : this.#presentIn(span)) {
      this.#zeroPiece(pieceOf(span, index), zeroing)
    }
  }

  /** What is there, as data, and what is not, as holes that read as zeroes. Looks no farther than it is asked. */
  *extents(length: RangeLength, offset: Offset): Generator<BlockDescriptor, void> {
    const span = spanOf(length, offset)
    let at = { index: span.index, start: span.start }
    for (const index of this.#presentIn(span)) {
      const piece = pieceOf(span, index)
      if (index > at.index) yield { length: bytesBetween(at, piece), flags: HOLE_AND_ZERO }
      yield { length: piece.length, flags: 0 }
      at = { index: index + 1, start: 0 }
    }
    const rest = bytesBetween(at, { index: span.endIndex, start: span.end })
    if (rest > 0) yield { length: rest, flags: HOLE_AND_ZERO }
  }

  /** The pages of the span that are there, in order: looks at the span or at the pages, whichever are fewer. */
  *#presentIn(span: Span): Generator<number, void> {
    if (span.endIndex - span.index < this.#pages.size) {
      for (const index of indexesOf(span)) if (this.#pages.has(index)) yield index
      return
    }
    const present = [...this.#pages.keys()].filter((index) => index >= span.index && index <= span.endIndex)
    yield* Float64Array.from(present).sort()
  }

  #zeroPiece({ index, start, length }: Piece, zeroing: Zeroing): void {
    if (length === PAGE_SIZE && zeroing === 'free') this.#pages.delete(index)
    else this.#changeable(index).fill(0, start, start + length)
  }

  /** A page's new bytes: `data`, copied. */
  #replace(index: number, data: Uint8Array): void {
    const page = this.#pages.get(index)
    if (page === undefined) {
      this.#checkLimit()
      this.#pages.set(index, { bytes: data.slice(), lent: false })
    } else if (page.lent) {
      page.bytes = data.slice()
      page.lent = false
    } else {
      page.bytes.set(data)
    }
  }

  /** A page's bytes, to be changed: taken if there are none, copied if they are lent. */
  #changeable(index: number): Uint8Array {
    const page = this.#pages.get(index) ?? this.#allocate(index)
    if (page.lent) {
      page.bytes = page.bytes.slice()
      page.lent = false
    }
    return page.bytes
  }

  #allocate(index: number): Page {
    this.#checkLimit()
    const page: Page = { bytes: new Uint8Array(PAGE_SIZE), lent: false }
    this.#pages.set(index, page)
    return page
  }

  #checkLimit(): void {
    if (this.allocated + PAGE_SIZE <= this.#limit) return
    throw new ExportError('ENOSPC', `the memory of the export is full: its limit is ${this.#limit} bytes`)
  }
}

interface Piece {
  readonly index: number
  readonly start: number
  readonly length: number
}

/** A range cut at the borders of pages. */
function pieces(index: number, start: number, length: number): Piece[] {
  const cut: Piece[] = []
  let remaining = length
  let at = start
  for (let page = index; remaining > 0; page++) {
    const count = Math.min(remaining, PAGE_SIZE - at)
    cut.push({ index: page, start: at, length: count })
    remaining -= count
    at = 0
  }
  return cut
}

interface Position {
  readonly index: number
  /** In the page. */
  readonly start: number
}

/** A range of at least 1 byte, of any length. */
interface Span extends Position {
  /** The page of its last byte. */
  readonly endIndex: number
  /** Where in that page it ends, from 1 to the size of a page. */
  readonly end: number
}

function spanOf(length: RangeLength, offset: Offset): Span {
  const isSafe =
    typeof length === 'number' && typeof offset === 'number' && Number.isSafeInteger(offset + length)
  const last = isSafe ? offset + length - 1 : BigInt(offset) + BigInt(length) - 1n
  return {
    index: pageIndex(offset),
    start: pagePosition(offset),
    endIndex: pageIndex(last),
    end: pagePosition(last) + 1,
  }
}

function* indexesOf({ index, endIndex }: Span): Generator<number, void> {
  for (let page = index; page <= endIndex; page++) yield page
}

/** What of a span is in one of its pages. */
function pieceOf(span: Span, index: number): Piece {
  const start = index === span.index ? span.start : 0
  const end = index === span.endIndex ? span.end : PAGE_SIZE
  return { index, start, length: end - start }
}

/** A `bigint` where a `number` would not be exact. */
function bytesBetween(from: Position, to: Position): RangeLength {
  const pages = to.index - from.index
  const inPage = to.start - from.start
  if (pages < SAFE_PAGES) return pages * PAGE_SIZE + inPage
  return (BigInt(pages) << PAGE_BITS) + BigInt(inPage)
}

/** An index is a safe integer for every offset below 2^63. */
function pageIndex(offset: Offset): number {
  return typeof offset === 'bigint' ? Number(offset >> PAGE_BITS) : Math.floor(offset / PAGE_SIZE)
}

function pagePosition(offset: Offset): number {
  return typeof offset === 'bigint' ? Number(offset & BigInt(PAGE_SIZE - 1)) : offset % PAGE_SIZE
}
