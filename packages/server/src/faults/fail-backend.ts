import { argumentError, checkOptions, option } from '@nbdjs/core'
import { type ErrorName, ErrorValue } from '@nbdjs/core/wire'
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

const rangeMethods = ['read', 'write', 'trim', 'zero', 'cache', 'extents'] as const satisfies RangeMethod[]

const shape = {
  offset: option.required(option.instance<Offset>('a safe integer or a bigint, at least 0', isOffset)),
  code: option.oneOf(Object.keys(ErrorValue) as ErrorName[], 'EIO'),
  message: option.string('bad sector'),
  sendOffset: option.boolean(false),
  methods: option.array(option.oneOf(rangeMethods)),
}

function isOffset(value: unknown): boolean {
  return (typeof value === 'bigint' || Number.isSafeInteger(value)) && (value as Offset) >= 0
}

/**
 * Makes a backend with a bad sector.
 *
 * @param backend The backend that executes all other calls.
 * @param options The position, and how calls fail.
 * @throws {NbdUsageError} The backend or an option is invalid.
 */
export function failBackend(backend: Backend, options: FailBackendOptions): Backend {
  if (typeof backend !== 'object' || backend === null) {
    throw argumentError('failBackend', 'backend', 'a backend', backend)
  }
  const { offset, code, message, sendOffset, methods } = checkOptions('failBackend', shape, options)
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

function isRangeMethod(name: string | symbol): name is RangeMethod {
  return (rangeMethods as readonly (string | symbol)[]).includes(name)
}
