import { Context, type NbdUsageError } from '@nbdjs/core'
import { distance, encodeText, MAX_STRING_BYTES, type U64 } from '@nbdjs/core/wire'
import type { Awaitable, Backend, Extents, MetaContextSource } from '../backend/backend.js'

/** A metadata context of an export, checked. */
export interface MetaContext {
  readonly name: string
  /** Everything in front of the colon. */
  readonly namespace: string
  readonly hasLongFlags: boolean
  extents(length: U64, offset: U64): Awaitable<Extents>
}

/** Makes the error for a backend that says of itself what cannot be. */
type Complaint = (what: string, expected: string) => NbdUsageError

/**
 * "Metadata querying": a namespace of printable characters, without whitespace or colons, then a colon, then a
 * leaf-name. An empty leaf-name is a wildcard, and no name of a context.
 */
const nameForm = /^(?<namespace>[^:\s\p{C}]+):(?<leafName>[^\0]+)$/u
/** Namespaces that anyone may use, and those that are registered. */
const openNamespace = /^(?:x-.*|nbd-server|qemu)$/u

/** The contexts of an export, `base:allocation` first: every export has it. */
export function createMetaContexts(
  backend: Backend,
  size: U64,
  complaint: Complaint,
): readonly MetaContext[] {
  const { metaContexts = {} } = backend
  const others = Object.entries(metaContexts).map(([name, source]) => contextOf(name, source, complaint))
  return [allocationOf(backend, size), ...others]
}

function allocationOf(backend: Backend, size: U64): MetaContext {
  return {
    name: Context.BaseAllocation,
    namespace: namespaceOf(Context.BaseAllocation) as string,
    hasLongFlags: false,
    extents: (length, offset) =>
      backend.extents === undefined ? dataOnly(size, offset) : backend.extents(length, offset),
  }
}

/** What can always be told ("Request types", NBD_CMD_BLOCK_STATUS): data up to the end. */
function dataOnly(size: U64, offset: U64): Extents {
  const isSafe = typeof size === 'number' && typeof offset === 'number'
  return [{ length: isSafe ? distance(size, offset) : BigInt(size) - BigInt(offset), flags: 0 }]
}

function contextOf(name: string, source: MetaContextSource, complaint: Complaint): MetaContext {
  const what = `its metadata context '${name}'`
  const length = encodeText(name).length
  if (length > MAX_STRING_BYTES) throw complaint(`${what} has ${length} bytes`, `at most ${MAX_STRING_BYTES}`)
  const namespace = namespaceOf(name)
  if (namespace === undefined) {
    throw complaint(`${what} has no name of a context`, 'a namespace, a colon and a leaf-name')
  }
  if (!openNamespace.test(namespace)) {
    throw complaint(`${what} is in the namespace '${namespace}'`, 'x-*, nbd-server or qemu')
  }
  if (typeof source?.extents !== 'function') {
    throw complaint(`${what} has no method extents`, 'a source of extents')
  }
  return {
    name,
    namespace,
    hasLongFlags: source.hasLongFlags === true,
    extents: (length, offset) => source.extents(length, offset),
  }
}

/** The namespace of a context's whole name; undefined where it is none. */
function namespaceOf(name: string): string | undefined {
  return nameForm.exec(name)?.groups?.['namespace']
}

/** A metadata context that the client selected, under the id that it was told. */
export interface SelectedContext {
  readonly id: number
  readonly context: MetaContext
}
