import type { Hole, ReadPart, ReadResult } from '../../backend/backend.js'
import type { Output } from '../output.js'

/** A stretch of a reply that is sent as data, or as a hole. */
export type Run =
  | { readonly kind: 'data'; readonly length: number; readonly parts: readonly ReadPart[] }
  | { readonly kind: 'hole'; readonly length: number }

export function toParts(result: ReadResult): readonly ReadPart[] {
  return isBytes(result) ? [result] : result
}

/** Not by `instanceof`, which fails for bytes of another realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && 'BYTES_PER_ELEMENT' in value && value.BYTES_PER_ELEMENT === 1
}

function isHole(part: ReadPart): part is Hole {
  return !isBytes(part)
}

function partLength(part: ReadPart): number {
  return isHole(part) ? part.hole : part.length
}

/** What is wrong with the result of a backend's `read`, or undefined when it is what was asked for. */
export function readResultError(result: unknown, length: number): Error | undefined {
  if (isBytes(result)) return lengthMismatch(result.length, length)
  if (!Array.isArray(result))
    return new TypeError(`read returned ${typeof result}: expected a Uint8Array or parts`)
  let total = 0
  for (const part of result as (Partial<Hole> | Uint8Array | null | undefined)[]) {
    const count = isBytes(part) ? part.length : part?.hole
    if (count === undefined || !Number.isSafeInteger(count) || count < 0) {
      return new TypeError('read returned a part that is neither a Uint8Array nor a hole with a length')
    }
    total += count
  }
  return lengthMismatch(total, length)
}

function lengthMismatch(total: number, length: number): Error | undefined {
  if (total === length) return undefined
  return new RangeError(`read returned ${total} bytes: expected ${length}, as it was asked for`)
}

/** Everything as data, zeroes written out. */
export function wholeRun(parts: readonly ReadPart[], length: number): Run {
  return { kind: 'data', length, parts }
}

/** Neighbours of a kind become one: a reply should have few chunks ("Structured reply chunk message"). */
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
