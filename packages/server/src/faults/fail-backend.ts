import type { ErrorName } from '@nbdjs/core/wire'
import type { Backend, Offset, RangeLength } from '../backend/backend.js'
import { ExportError } from '../backend/export-error.js'

/** The methods of a backend that have a range. */
export type RangeMethod = 'read' | 'write' | 'trim' | 'zero' | 'cache' | 'extents'

/** The options of {@link failBackend}. */
export interface FailBackendOptions {
  /** The byte position that fails: every call whose range contains it. */
  readonly offset: Offset
  /**
   * The error of the calls.
   * @default 'EIO'
   */
  readonly code?: ErrorName
  /**
   * The message of the error.
   * @default 'bad sector'
   */
  readonly message?: string
  /**
   * Whether the client receives the position that failed.
   * @default false
   */
  readonly sendOffset?: boolean
  /**
   * The methods that fail.
   * @default all methods with a range
   */
  readonly methods?: readonly RangeMethod[]
}

/**
 * Makes a backend with a bad sector.
 *
 * @param backend The backend that executes all other calls.
 * @param options The position, and how calls fail.
 */
export function failBackend(backend: Backend, options: FailBackendOptions): Backend {
  const { offset, code = 'EIO', message = 'bad sector', sendOffset = false, methods } = options
  const check = (method: RangeMethod, length: RangeLength, from: Offset): void => {
    if (methods !== undefined && !methods.includes(method)) return
    if (offset < from || BigInt(offset) >= BigInt(from) + BigInt(length)) return
    throw new ExportError(code, message, sendOffset ? { offset } : {})
  }
  // The first argument is the length, except that of `write`, which is the data.
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
