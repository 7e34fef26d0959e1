import type { Hole, ReadData, ReadPart } from '../../backend/backend.js'
import type { Output } from '../output.js'

/** Consecutive parts of a read result that are sent in one chunk, as data or as a hole. */
export type Run =
  | { readonly kind: 'data'; readonly length: number; readonly parts: readonly ReadPart[] }
  | { readonly kind: 'hole'; readonly length: number }

export function toParts(result: ReadData): readonly ReadPart[] {
  return isBytes(result) ? [result] : result
}

/** Not by `instanceof`, which is false for bytes of another realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && 'BYTES_PER_ELEMENT' in value && value.BYTES_PER_ELEMENT === 1
}

function isHole(part: ReadPart): part is Hole {
  return !isBytes(part)
}

function partLength(part: ReadPart): number {
  return isHole(part) ? part.hole : part.length
}

/**
 * The data of a read result, and the callback for the end of its use. Nothing is checked but `release`. Throws what a getter
 * of the result throws.
 */
export function openResult(result: unknown): { data: unknown; release: (() => unknown) | undefined } {
  const { data, release } = Object(result) as { data?: unknown; release?: unknown }
  if (typeof release !== 'function' || isBytes(result) || Array.isArray(result)) {
    return { data: result, release: undefined }
  }
  return { data, release: () => Reflect.apply(release, result, []) }
}

/** Checks the data of a read result. Returns undefined if it is valid. Throws what a getter of the data throws. */
export function readResultError(data: unknown, length: number): Error | undefined {
  if (isBytes(data)) return lengthError(data.length, length)
  if (!Array.isArray(data)) {
    return new TypeError(`read: expected a Uint8Array or an array of parts, returned ${typeof data}`)
  }
  let total = 0
  for (const part of data as (Partial<Hole> | Uint8Array | null | undefined)[]) {
    const count = isBytes(part) ? part.length : part?.hole
    if (count === undefined || !Number.isSafeInteger(count) || count < 0) {
      return new TypeError('read: expected parts that are a Uint8Array or a hole with a length')
    }
    total += count
  }
  return lengthError(total, length)
}

function lengthError(total: number, length: number): Error | undefined {
  if (total === length) return undefined
  return new RangeError(`read: expected ${length} bytes, returned ${total}`)
}

/** Everything as data, holes as zeroes. */
export function wholeRun(parts: readonly ReadPart[], length: number): Run {
  return { kind: 'data', length, parts }
}

/** Joins neighbours of one kind: a reply should have few chunks ("Structured reply chunk message"). */
export function toRuns(parts: readonly ReadPart[]): Run[] {
  const runs: Run[] = []
  let from = 0
  for (let to = 1; to <= parts.length; to++) {
    if (to < parts.length && isHole(parts[to] as ReadPart) === isHole(parts[from] as ReadPart)) continue
    const run = toRun(parts.slice(from, to))
    if (run.length > 0) runs.push(run)
    from = to
  }
  return runs
}

function toRun(parts: readonly ReadPart[]): Run {
  const length = parts.reduce((sum, part) => sum + partLength(part), 0)
  return isHole(parts[0] as ReadPart) ? { kind: 'hole', length } : { kind: 'data', length, parts }
}

export function appendParts(output: Output, parts: readonly ReadPart[]): void {
  for (const part of parts) {
    if (isHole(part)) output.appendZeroes(part.hole)
    else output.append(part)
  }
}
