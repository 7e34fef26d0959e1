import { ExtentFlag } from '@nbdjs/core'
import type { BlockDescriptor } from '@nbdjs/core/wire'
import {
  type Hole,
  type Offset,
  type RangeLength,
  type ReadData,
  type ReadPart,
  ZERO_COPY_THRESHOLD,
} from './backend.js'
import { ExportError } from './export-error.js'

/** The size of a page in bytes. Large reads and writes work on whole pages. */
export const PAGE_SIZE = 65536
/** The size of a block in bytes: a page that is written to in small pieces holds blocks until half of them exist. */
export const BLOCK_SIZE = 4096

const PAGE_BITS = 16n
const BLOCKS_PER_PAGE = PAGE_SIZE / BLOCK_SIZE
/** A page with this many blocks is stored as a whole, which is faster to read and at most twice as large. */
const WHOLE_PAGE_BLOCKS = BLOCKS_PER_PAGE / 2
/** The number of pages whose size in bytes is a safe integer. */
const SAFE_PAGES = 2 ** 36
const HOLE_AND_ZERO = Number(ExtentFlag.Hole) | Number(ExtentFlag.Zero)

/** Shared by all pages that are allocated and zero. Never modified, because such a page counts as lent. */
const zeroPage = new Uint8Array(PAGE_SIZE)

interface WholePage {
  bytes: Uint8Array
  /** Whether a part of it was lent for sending: its bytes must not change again, so a write replaces them. */
  lent: boolean
}

interface SparsePage {
  /** The blocks that exist. They are shorter than the zero-copy threshold, and therefore never lent. */
  readonly blocks: (Uint8Array | undefined)[]
  /** The number of blocks that exist, at least 1. */
  count: number
}

type Page = WholePage | SparsePage

/** What happens to zeroed pages: `free` removes them, `keep` keeps those that exist, `allocate` adds the missing ones. */
export type ZeroMode = 'free' | 'keep' | 'allocate'

/** Sparse memory: it is allocated where it is written to, in whole pages or in blocks. */
export class Pages {
  readonly #pages = new Map<number, Page>()
  readonly #limit: number
  #allocated = 0

  /** @param limit The most bytes to allocate; a write that needs more fails with ENOSPC. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** The number of bytes that are allocated, zeroed ones included. */
  get allocated(): number {
    return this.#allocated
  }

  read(length: number, offset: Offset): ReadData {
    const index = pageIndex(offset)
    const start = pagePosition(offset)
    const parts: ReadPart[] = []
    if (start + length <= PAGE_SIZE) this.#readPiece({ index, start, length }, parts)
    else for (const piece of toPieces(index, start, length)) this.#readPiece(piece, parts)
    const [first] = parts
    return parts.length === 1 && first instanceof Uint8Array ? first : parts
  }

  #readPiece({ index, start, length }: Piece, parts: ReadPart[]): void {
    const page = this.#pages.get(index)
    if (page === undefined) {
      parts.push({ hole: length })
    } else if ('bytes' in page) {
      if (length >= ZERO_COPY_THRESHOLD) page.lent = true
      parts.push(page.bytes.subarray(start, start + length))
    } else {
      for (const block of toBlockPieces(start, length)) {
        const bytes = page.blocks[block.index]
        parts.push(bytes?.subarray(block.start, block.start + block.length) ?? hole(block.length))
      }
    }
  }

  write(data: Uint8Array, offset: Offset): void {
    let done = 0
    for (const { index, start, length } of toPieces(pageIndex(offset), pagePosition(offset), data.length)) {
      const piece = data.subarray(done, done + length)
      if (length === PAGE_SIZE) this.#replace(index, piece)
      else this.#writePiece({ index, start, length }, piece)
      done += length
    }
  }

  /** Makes the range read as zeroes. */
  zero(length: RangeLength, offset: Offset, mode: ZeroMode): void {
    const span = toSpan(length, offset)
    if (mode === 'allocate') {
      for (const index of indexesIn(span)) this.#allocateZeroes(pieceOfSpan(span, index))
    } else {
      for (const index of this.#pagesIn(span)) this.#clearPiece(pieceOfSpan(span, index), mode === 'free')
    }
  }

  /** The allocated ranges as data, the others as holes that read as zeroes. Lazy: reads only as far as the caller. */
  *extents(length: RangeLength, offset: Offset): Generator<BlockDescriptor, void> {
    const span = toSpan(length, offset)
    let at = { index: span.index, start: span.start }
    for (const index of this.#pagesIn(span)) {
      for (const data of this.#dataIn(pieceOfSpan(span, index))) {
        const gap = distance(at, data)
        if (gap > 0) yield { length: gap, flags: HOLE_AND_ZERO }
        yield { length: data.length, flags: 0 }
        const end = data.start + data.length
        at = end === PAGE_SIZE ? { index: index + 1, start: 0 } : { index, start: end }
      }
    }
    const rest = distance(at, { index: span.endIndex, start: span.end })
    if (rest > 0) yield { length: rest, flags: HOLE_AND_ZERO }
  }

  /** The allocated parts of a piece of an existing page. */
  *#dataIn(piece: Piece): Generator<Piece, void> {
    const page = this.#pages.get(piece.index) as Page
    if ('bytes' in page) {
      yield piece
      return
    }
    let at = piece.start
    for (const block of toBlockPieces(piece.start, piece.length)) {
      if (page.blocks[block.index] !== undefined)
        yield { index: piece.index, start: at, length: block.length }
      at += block.length
    }
  }

  /** The existing pages of the span in order. Iterates over the span or over the pages, whichever are fewer. */
  *#pagesIn(span: Span): Generator<number, void> {
    if (span.endIndex - span.index < this.#pages.size) {
      for (const index of indexesIn(span)) if (this.#pages.has(index)) yield index
      return
    }
    const present = [...this.#pages.keys()].filter((index) => index >= span.index && index <= span.endIndex)
    yield* Float64Array.from(present).sort()
  }

  #allocateZeroes(piece: Piece): void {
    const { index, length } = piece
    const isLargePart = length >= PAGE_SIZE / 2 && !this.#pages.has(index)
    if (length === PAGE_SIZE || isLargePart) this.#reserve(index)
    else this.#writePiece(piece, zeroPage.subarray(0, length))
  }

  #clearPiece(piece: Piece, isFreeing: boolean): void {
    const { index, start, length } = piece
    const page = this.#pages.get(index)
    if (page === undefined) return
    if (length === PAGE_SIZE && isFreeing) this.#remove(index)
    else if ('blocks' in page) this.#clearBlocks(page, piece, isFreeing)
    else if (length === PAGE_SIZE) this.#reserve(index)
    else writable(page).fill(0, start, start + length)
  }

  /** Zeroes the blocks of a piece that exist; removes those that it covers if `isFreeing`. */
  #clearBlocks(page: SparsePage, { index, start, length }: Piece, isFreeing: boolean): void {
    for (const block of toBlockPieces(start, length)) {
      const bytes = page.blocks[block.index]
      if (bytes === undefined) continue
      if (isFreeing && block.length === BLOCK_SIZE) {
        page.blocks[block.index] = undefined
        page.count--
        this.#allocated -= BLOCK_SIZE
      } else {
        bytes.fill(0, block.start, block.start + block.length)
      }
    }
    if (page.count === 0) this.#pages.delete(index)
  }

  /** Makes a whole page of zeroes that takes no memory of its own until it is written to. */
  #reserve(index: number): void {
    this.#allocate(PAGE_SIZE - this.#sizeOf(index))
    this.#pages.set(index, { bytes: zeroPage, lent: true })
  }

  /** Sets the whole content of a page to a copy of `data`. */
  #replace(index: number, data: Uint8Array): void {
    const page = this.#pages.get(index)
    if (page === undefined || 'blocks' in page) {
      this.#allocate(PAGE_SIZE - this.#sizeOf(index))
      this.#pages.set(index, { bytes: data.slice(), lent: false })
    } else if (page.lent) {
      page.bytes = data.slice()
      page.lent = false
    } else {
      page.bytes.set(data)
    }
  }

  #writePiece(piece: Piece, data: Uint8Array): void {
    const page = this.#pages.get(piece.index)
    if (page !== undefined && 'bytes' in page) {
      writable(page).set(data, piece.start)
      return
    }
    const whole = this.#toWholePage(piece, page)
    if (whole === undefined) this.#writeBlocks(piece, data, page)
    else whole.bytes.set(data, piece.start)
  }

  /** Turns a page into a whole one if this write gives it enough blocks, and the limit allows it. */
  #toWholePage({ index, start, length }: Piece, page: SparsePage | undefined): WholePage | undefined {
    const added = toBlockPieces(start, length).filter((block) => page?.blocks[block.index] === undefined)
    const size = this.#sizeOf(index)
    if (size / BLOCK_SIZE + added.length < WHOLE_PAGE_BLOCKS) return undefined
    if (this.#allocated + PAGE_SIZE - size > this.#limit) return undefined
    this.#allocate(PAGE_SIZE - size)
    const whole: WholePage = { bytes: new Uint8Array(PAGE_SIZE), lent: false }
    page?.blocks.forEach((bytes, block) => {
      if (bytes !== undefined) whole.bytes.set(bytes, block * BLOCK_SIZE)
    })
    this.#pages.set(index, whole)
    return whole
  }

  #writeBlocks({ index, start, length }: Piece, data: Uint8Array, existing: SparsePage | undefined): void {
    const page = existing ?? { blocks: new Array<undefined>(BLOCKS_PER_PAGE).fill(undefined), count: 0 }
    let done = 0
    for (const block of toBlockPieces(start, length)) {
      let bytes = page.blocks[block.index]
      if (bytes === undefined) {
        this.#allocate(BLOCK_SIZE)
        bytes = new Uint8Array(BLOCK_SIZE)
        page.blocks[block.index] = bytes
        page.count++
        this.#pages.set(index, page)
      }
      bytes.set(data.subarray(done, done + block.length), block.start)
      done += block.length
    }
  }

  #remove(index: number): void {
    this.#allocated -= this.#sizeOf(index)
    this.#pages.delete(index)
  }

  #sizeOf(index: number): number {
    const page = this.#pages.get(index)
    if (page === undefined) return 0
    return 'bytes' in page ? PAGE_SIZE : page.count * BLOCK_SIZE
  }

  #allocate(bytes: number): void {
    if (this.#allocated + bytes > this.#limit) {
      throw new ExportError('ENOSPC', `the memory of the export is full: its limit is ${this.#limit} bytes`)
    }
    this.#allocated += bytes
  }
}

/** The bytes of a page for modification: a copy if they are lent. */
function writable(page: WholePage): Uint8Array {
  if (page.lent) {
    page.bytes = page.bytes.slice()
    page.lent = false
  }
  return page.bytes
}

function hole(length: number): Hole {
  return { hole: length }
}

/** A range within one page, or within one block of a page. */
interface Piece {
  readonly index: number
  readonly start: number
  readonly length: number
}

/** Cuts a range at the borders of pages. */
function toPieces(index: number, start: number, length: number): Piece[] {
  return cut(index, start, length, PAGE_SIZE)
}

/** Cuts a range within a page at the borders of blocks. */
function toBlockPieces(start: number, length: number): Piece[] {
  return cut(Math.floor(start / BLOCK_SIZE), start % BLOCK_SIZE, length, BLOCK_SIZE)
}

function cut(index: number, start: number, length: number, size: number): Piece[] {
  const pieces: Piece[] = []
  let remaining = length
  let at = start
  for (let next = index; remaining > 0; next++) {
    const count = Math.min(remaining, size - at)
    pieces.push({ index: next, start: at, length: count })
    remaining -= count
    at = 0
  }
  return pieces
}

interface Position {
  /** The page. */
  readonly index: number
  /** The position in the page. */
  readonly start: number
}

/** A range of at least 1 byte, of any length. */
interface Span extends Position {
  /** The page of the last byte. */
  readonly endIndex: number
  /** The position in that page after the last byte, from 1 to the size of a page. */
  readonly end: number
}

function toSpan(length: RangeLength, offset: Offset): Span {
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

function* indexesIn({ index, endIndex }: Span): Generator<number, void> {
  for (let page = index; page <= endIndex; page++) yield page
}

/** The part of a span that lies in one of its pages. */
function pieceOfSpan(span: Span, index: number): Piece {
  const start = index === span.index ? span.start : 0
  const end = index === span.endIndex ? span.end : PAGE_SIZE
  return { index, start, length: end - start }
}

/** The number of bytes between two positions: a `bigint` if it is no safe integer. */
function distance(from: Position, to: Position): RangeLength {
  const pages = to.index - from.index
  const inPage = to.start - from.start
  if (pages < SAFE_PAGES) return pages * PAGE_SIZE + inPage
  return (BigInt(pages) << PAGE_BITS) + BigInt(inPage)
}

/** A safe integer for every offset below 2^63. */
function pageIndex(offset: Offset): number {
  return typeof offset === 'bigint' ? Number(offset >> PAGE_BITS) : Math.floor(offset / PAGE_SIZE)
}

function pagePosition(offset: Offset): number {
  return typeof offset === 'bigint' ? Number(offset & BigInt(PAGE_SIZE - 1)) : offset % PAGE_SIZE
}
