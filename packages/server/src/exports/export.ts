import { NbdUsageError } from '@nbdjs/core'
import { type BlockSizes, encodeText, MAX_STRING_BYTES, type U64, u64 } from '@nbdjs/core/wire'
import type { Backend } from '../backend/backend.js'
import { createMetaContexts, type MetaContext } from './meta-context.js'

/** An export as it is exportSession: a backend that was checked, under its canonical name. */
export interface Export {
  readonly name: string
  readonly description: string
  readonly size: U64
  readonly readOnly: boolean
  readonly blockSize: BlockSizes
  /** What a client may select, `base:allocation` first. */
  readonly metaContexts: readonly MetaContext[]
  readonly backend: Backend
}

/** "Size constraints": what holds when nothing was advertised. */
export const defaultBlockSize: BlockSizes = { minimum: 1, preferred: 4096, maximum: 32 * 1024 * 1024 }

/** The protocol's 64-bit lengths are unsigned; clients keep them in signed integers. */
const MAX_SIZE = 2n ** 63n - 1n
/** "Size constraints": the largest minimum block size. */
const MAX_MINIMUM = 65536
/** "Size constraints": the smallest preferred block size. */
const MIN_PREFERRED = 512
/** A length on the wire has 32 bits. */
const MAX_LENGTH = 0xffffffff

/** Throws a NbdUsageError when the backend says of itself what cannot be. */
export function createExport(name: string, backend: Backend): Export {
  checkText(name, 'its name', name)
  if (typeof backend !== 'object' || backend === null) throw wrong(name, `it is ${backend}`, 'a backend')
  checkText(name, 'its description', backend.description ?? '')
  if (typeof backend.read !== 'function') throw wrong(name, 'it has no method read', 'a backend')
  const size = sizeOf(name, backend.size)
  const blockSize = blockSizeOf(name, backend)
  if (BigInt(size) % BigInt(blockSize.minimum) !== 0n) {
    const expected = `a multiple of its minimum block size, ${blockSize.minimum}`
    throw wrong(name, `its size is ${size}`, expected)
  }
  const readOnly = backend.readOnly === true || backend.write === undefined
  const description = backend.description ?? ''
  const metaContexts = createMetaContexts(backend, size, (what, expected) => wrong(name, what, expected))
  return { name, description, size, readOnly, blockSize, metaContexts, backend }
}

/** Whether a client that keeps to the defaults can have its requests refused. */
export function hasOwnBlockSize({ blockSize: { minimum, maximum } }: Export): boolean {
  return minimum > defaultBlockSize.minimum || maximum < defaultBlockSize.maximum
}

function sizeOf(name: string, size: unknown): U64 {
  const isInteger = typeof size === 'bigint' || Number.isSafeInteger(size)
  if (isInteger && (size as U64) >= 0 && (size as U64) <= MAX_SIZE) return u64(size as U64)
  throw wrong(
    name,
    `its size is ${size}`,
    'a whole number of bytes from 0 to 2^63 - 1, a bigint from 2^53 on',
  )
}

function blockSizeOf(name: string, backend: Backend): BlockSizes {
  const minimum = backend.blockSize?.minimum ?? defaultBlockSize.minimum
  if (!isPowerOfTwo(minimum) || minimum > MAX_MINIMUM) {
    throw wrong(name, `its minimum block size is ${minimum}`, `a power of two from 1 to ${MAX_MINIMUM}`)
  }
  const least = Math.max(minimum, MIN_PREFERRED)
  const preferred = backend.blockSize?.preferred ?? Math.max(least, defaultBlockSize.preferred)
  if (!isPowerOfTwo(preferred) || preferred < least) {
    throw wrong(name, `its preferred block size is ${preferred}`, `a power of two, at least ${least}`)
  }
  const maximum = backend.blockSize?.maximum ?? Math.max(preferred, defaultBlockSize.maximum)
  if (!Number.isSafeInteger(maximum) || maximum < preferred || maximum > MAX_LENGTH) {
    throw wrong(
      name,
      `its maximum block size is ${maximum}`,
      `a whole number from ${preferred} to ${MAX_LENGTH}`,
    )
  }
  return { minimum, preferred, maximum }
}

function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && value <= 2 ** 31 && (value & (value - 1)) === 0
}

/** "Conventions": what a string may be. */
function checkText(name: string, what: string, text: string): void {
  const length = encodeText(text).length
  if (length > MAX_STRING_BYTES) {
    throw wrong(name, `${what} has ${length} bytes`, `at most ${MAX_STRING_BYTES}`)
  }
  if (text.includes('\0')) throw wrong(name, `${what} holds a NUL`, 'none')
}

function wrong(name: string, what: string, expected: string): NbdUsageError {
  return new NbdUsageError(`export '${name}': ${what}: expected ${expected}`)
}

/** The exports of a server, by name. */
export class ExportTable {
  readonly #exports: ReadonlyMap<string, Export>
  readonly #defaultName: string

  /** Throws a NbdUsageError for a backend that says of itself what cannot be, or a default that is not there. */
  constructor(backends: Readonly<Record<string, Backend>>, defaultName = '') {
    if (typeof backends !== 'object' || backends === null) {
      throw new NbdUsageError(`exports is ${backends}: expected an object, with a backend under each name`)
    }
    this.#exports = new Map(
      Object.entries(backends).map(([name, backend]) => [name, createExport(name, backend)]),
    )
    this.#defaultName = defaultName
    if (defaultName !== '' && !this.#exports.has(defaultName)) {
      const names = [...this.#exports.keys()].map((name) => `'${name}'`).join(', ')
      throw new NbdUsageError(`defaultExport is '${defaultName}': expected one of the exports: ${names}`)
    }
  }

  /** The export that a client asks for; the empty name leads to the default ("Option types"). */
  find(name: string): Export | undefined {
    return this.#exports.get(name === '' ? this.#defaultName : name)
  }

  /** In the order in which they were given. */
  list(): Iterable<Export> {
    return this.#exports.values()
  }
}
