import {
  argumentError,
  checkArgument,
  formatValue,
  MetaContextName,
  type NbdUsageError,
  option,
  quote,
} from '@nbdjs/core'
import { type BlockSizes, encodeText, MAX_STRING_BYTES, type U64, u64 } from '@nbdjs/core/wire'
import type {
  Awaitable,
  Backend,
  BlockSizeConstraints,
  Extents,
  MetaContextSource,
} from './backend/backend.js'
import { distance } from './bytes.js'

/** A checked backend under its canonical name. */
export interface Export {
  readonly name: string
  readonly description: string
  readonly size: U64
  readonly readOnly: boolean
  readonly blockSize: BlockSizes
  /** The contexts that a client may select, `base:allocation` first. */
  readonly metaContexts: readonly MetaContext[]
  readonly backend: Backend
}

/** Makes the error for an invalid property of a backend: `Server: exports."disk".size: expected E, received V`. */
type InvalidExport = (
  property: string,
  expected: string,
  received: unknown,
  receivedText?: string,
) => NbdUsageError

/** The exports of a server by name. */
export class ExportTable {
  readonly #exports: ReadonlyMap<string, Export>
  readonly #defaultName: string

  /** Throws a NbdUsageError for an invalid backend, or a default export that does not exist. */
  constructor(backends: Readonly<Record<string, Backend>>, defaultName = '') {
    if (!isRecord(backends)) {
      throw argumentError('Server', 'exports', 'an object with a backend under each name', backends)
    }
    this.#exports = new Map(
      Object.entries(backends).map(([name, backend]) => [name, createExport(name, backend)]),
    )
    this.#defaultName = defaultName
    if (defaultName !== '' && !this.#exports.has(defaultName)) {
      const names = [...this.#exports.keys()].map((name) => quote(name, 64)).join(', ')
      throw argumentError('Server', 'defaultExport', `one of the exports ${names}`, defaultName)
    }
  }

  /** The export that a client asks for. The empty name selects the default ("Option types"). */
  find(name: string): Export | undefined {
    return this.#exports.get(name === '' ? this.#defaultName : name)
  }

  /** All exports, in the order in which they were given. */
  list(): Iterable<Export> {
    return this.#exports.values()
  }
}

/** "Size constraints": what a client assumes if nothing was advertised. */
const defaultBlockSize: BlockSizes = { minimum: 1, preferred: 4096, maximum: 32 * 1024 * 1024 }

/** The protocol's 64-bit lengths are unsigned; clients keep them in signed integers. */
const MAX_SIZE = 2n ** 63n - 1n
/** "Size constraints": the largest minimum block size. */
const MAX_MINIMUM = 65536
/** "Size constraints": the smallest preferred block size. */
const MIN_PREFERRED = 512
/** A length on the wire has 32 bits. */
const MAX_LENGTH = 0xffffffff

/** Throws a NbdUsageError if a property of the backend is invalid. */
export function createExport(name: string, backend: Backend): Export {
  const invalid: InvalidExport = (property, expected, received, receivedText) => {
    const path = property === '' ? '' : `.${property}`
    return argumentError('Server', `exports.${quote(name, 64)}${path}`, expected, received, { receivedText })
  }
  checkText(invalid, 'name', name)
  if (typeof backend !== 'object' || backend === null) throw invalid('', 'a backend', backend)
  const { description = '' } = backend
  checkText(invalid, 'description', description)
  if (typeof backend.read !== 'function') throw invalid('read', 'a function', backend.read)
  const size = checkSize(invalid, backend.size)
  const blockSize = checkBlockSize(invalid, name, backend)
  if (BigInt(size) % BigInt(blockSize.minimum) !== 0n) {
    throw invalid('size', `a multiple of the minimum block size ${blockSize.minimum}`, size)
  }
  const readOnly = backend.readOnly === true || backend.write === undefined
  const metaContexts = createMetaContexts(backend, size, invalid)
  return { name, description, size, readOnly, blockSize, metaContexts, backend }
}

/** Whether requests of a client that assumes the default block sizes can be rejected. */
export function hasOwnBlockSize({ blockSize: { minimum, maximum } }: Export): boolean {
  return minimum > defaultBlockSize.minimum || maximum < defaultBlockSize.maximum
}

/** Whether it has members by name. An array, a Map or a Date has none, and would go unnoticed. */
function isRecord(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object Object]'
}

function checkSize(invalid: InvalidExport, size: unknown): U64 {
  const isInteger = typeof size === 'bigint' || Number.isSafeInteger(size)
  if (isInteger && (size as U64) >= 0 && (size as U64) <= MAX_SIZE) return u64(size as U64)
  throw invalid('size', 'an integer from 0 to 2^63 - 1, a bigint from 2^53 on', size)
}

const blockSizeRule = option.object({
  minimum: option.any(),
  preferred: option.any(),
  maximum: option.any(),
})

function checkBlockSize(invalid: InvalidExport, name: string, backend: Backend): BlockSizes {
  const path = `exports.${quote(name, 64)}.blockSize`
  const given = checkArgument('Server', path, blockSizeRule, backend.blockSize) as BlockSizeConstraints
  const { minimum = defaultBlockSize.minimum } = given
  if (!isPowerOfTwo(minimum) || minimum > MAX_MINIMUM) {
    throw invalid('blockSize.minimum', `a power of two from 1 to ${MAX_MINIMUM}`, minimum)
  }
  const least = Math.max(minimum, MIN_PREFERRED)
  const { preferred = Math.max(least, defaultBlockSize.preferred) } = given
  if (!isPowerOfTwo(preferred) || preferred < least) {
    throw invalid('blockSize.preferred', `a power of two, at least ${least}`, preferred)
  }
  const { maximum = Math.max(preferred, defaultBlockSize.maximum) } = given
  if (!Number.isSafeInteger(maximum) || maximum < preferred || maximum > MAX_LENGTH) {
    throw invalid('blockSize.maximum', `an integer from ${preferred} to ${MAX_LENGTH}`, maximum)
  }
  return { minimum, preferred, maximum }
}

function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && value <= 2 ** 31 && (value & (value - 1)) === 0
}

/** "Conventions": what a string may contain. */
function checkText(invalid: InvalidExport, property: string, text: string): void {
  if (typeof text !== 'string') throw invalid(property, 'a string', text)
  const { length } = encodeText(text)
  if (length > MAX_STRING_BYTES) {
    throw invalid(property, `at most ${MAX_STRING_BYTES} bytes of UTF-8`, text, `${length} bytes`)
  }
  if (text.includes('\0')) throw invalid(property, 'a string without NUL', text, formatValue(text))
}

/** A checked metadata context of an export. */
export interface MetaContext {
  readonly name: string
  /** The part before the colon. */
  readonly namespace: string
  readonly hasLongFlags: boolean
  extents(length: U64, offset: U64): Awaitable<Extents>
}

/** A metadata context that a client selected, and the id by which replies name it. */
export interface SelectedContext {
  readonly id: number
  readonly context: MetaContext
}

/**
 * "Metadata querying": a namespace of printable characters without whitespace or colons, a colon, and a leaf-name. An
 * empty leaf-name is a wildcard in a query, and not the name of a context.
 */
const nameForm = /^(?<namespace>[^:\s\p{C}]+):(?<leafName>[^\0]+)$/u
/** The namespaces that are registered, and those that may be used without registration. */
const openNamespace = /^(?:x-.*|nbd-server|qemu)$/u

/** The contexts of an export. `base:allocation` is the first one: every export has it. */
function createMetaContexts(backend: Backend, size: U64, invalid: InvalidExport): readonly MetaContext[] {
  const { metaContexts = {} } = backend
  if (!isRecord(metaContexts)) {
    throw invalid('metaContexts', 'an object with a source under each name', metaContexts)
  }
  const others = Object.entries(metaContexts).map(([name, source]) => createContext(name, source, invalid))
  return [allocationContext(backend, size), ...others]
}

function allocationContext(backend: Backend, size: U64): MetaContext {
  return {
    name: MetaContextName.BaseAllocation,
    namespace: namespaceOf(MetaContextName.BaseAllocation) as string,
    hasLongFlags: false,
    extents: (length, offset) =>
      backend.extents === undefined ? allData(size, offset) : backend.extents(length, offset),
  }
}

/** Always correct ("Request types", NBD_CMD_BLOCK_STATUS): data up to the end of the export. */
function allData(size: U64, offset: U64): Extents {
  const isSafe = typeof size === 'number' && typeof offset === 'number'
  return [{ length: isSafe ? distance(size, offset) : BigInt(size) - BigInt(offset), flags: 0 }]
}

function createContext(name: string, source: MetaContextSource, invalid: InvalidExport): MetaContext {
  const property = `metaContexts.${quote(name, 64)}`
  checkText(invalid, property, name)
  const namespace = namespaceOf(name)
  if (namespace === undefined) throw invalid(property, 'a name of a namespace, a colon and a leaf-name', name)
  if (!openNamespace.test(namespace)) {
    throw invalid(property, 'a namespace of x-*, nbd-server or qemu', namespace)
  }
  if (typeof source?.extents !== 'function') {
    throw invalid(`${property}.extents`, 'a function', source?.extents)
  }
  return {
    name,
    namespace,
    hasLongFlags: source.hasLongFlags === true,
    extents: (length, offset) => source.extents(length, offset),
  }
}

function namespaceOf(name: string): string | undefined {
  return nameForm.exec(name)?.groups?.['namespace']
}
