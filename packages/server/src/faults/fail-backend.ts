import type { ErrorName } from '@nbdjs/core/wire'
import type { Backend, Offset, RangeLength } from '../backend/backend.js'
import { ExportError } from '../backend/export-error.js'

/** The methods of a backend that are about a range. */
export type RangeMethod = 'read' | 'write' | 'trim' | 'zero' | 'cache' | 'extents'

export interface FailBackendOptions {
  /** Fail whatever touches this byte. */
  readonly offset: Offset
  /** The error to answer with. Default: EIO. */
  readonly code?: ErrorName
  /** The text that goes with it. Default: 'bad sector'. */
  readonly message?: string
  /** Tell the client at which offset it failed. Default: false. */
  readonly tellOffset?: boolean
  /** Which methods fail. Default: all. */
  readonly methods?: readonly RangeMethod[]
}

/** The backend with a bad spot. */
export function failBackend(backend: Backend, options: FailBackendOptions): Backend {
  const { offset, code = 'EIO', message = 'bad sector', tellOffset = false, methods } = options
  const check = (method: RangeMethod, length: RangeLength, from: Offset): void => {
    if (methods !== undefined && !methods.includes(method)) return
    if (offset < from || BigInt(offset) >= BigInt(from) + BigInt(length)) return
    throw new ExportError(code, message, tellOffset ? { offset } : {})
  }
  // Calls with a length in front; `write`, which has its data there, is told apart below.
  const checked =
    (method: RangeMethod, call: (...args: never[]) => unknown) =>
    (first: RangeLength | Uint8Array, from: Offset, ...rest: unknown[]): unknown => {
      check(method, typeof first === 'object' ? first.length : first, from)
      return Reflect.apply(call, backend, [first, from, ...rest])
    }
  return new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (isRangeMethod(name)) return checked(name, value as (...args: never[]) => unknown)
      return value.bind(target)
    },
  })
}

const rangeMethods: readonly string[] = [
  'read',
  'write',
  'trim',
  'zero',
  'cache',
  'extents',
] satisfies RangeMethod[]

function isRangeMethod(name: string | symbol): name is RangeMethod {
  return typeof name === 'string' && rangeMethods.includes(name)
}
