import { createRequire } from 'node:module'
import { types } from 'node:util'
import { NbdUsageError } from '@nbdjs/core'
import { errnoName } from './errno-name.js'
import type { SyscallResult } from './syscalls.js'

/**
 * Calls a function of the C library that returns an `int` and reports an error by -1 and `errno`.
 *
 * A number is passed as a C `int`, a Uint8Array as a pointer to its memory, which the function may write.
 * Throws a NbdUsageError, before anything is called, for an argument of any other kind.
 */
export type Libc = (name: string, ...args: readonly (number | Uint8Array)[]) => SyscallResult

type Ffi = typeof import('ffi-rs')

// ffi-rs keeps the libraries of a whole process by these names.
const LIBRARY = '@nbdjs/transport-vsock:libc'

let shared: Libc | undefined

/**
 * The C library of this process. ffi-rs is loaded at the first call and never before: importing this package
 * needs no native code. Throws what ffi-rs or the loader threw when there is no binary for this machine.
 */
export function loadLibc(): Libc {
  shared ??= openLibc(createRequire(import.meta.url)('ffi-rs') as Ffi)
  return shared
}

function openLibc(ffi: Ffi): Libc {
  // An empty path means dlopen(NULL): the symbols that the process has already, whatever its libc is called.
  ffi.open({ library: LIBRARY, path: '' })

  return (name, ...args) => {
    const paramsType = args.map((arg, index) => argumentKind(ffi, arg, `argument ${index + 1} of ${name}`))
    const { value, errnoCode } = ffi.load<typeof ffi.DataType.I32, true>({
      library: LIBRARY,
      funcName: name,
      retType: ffi.DataType.I32,
      paramsType,
      paramsValue: [...args],
      errno: true,
    })
    // The C library leaves errno alone when it succeeds: the value decides, errno only explains.
    return value === -1 ? { errno: errnoName(errnoCode) } : { value }
  }
}

// ffi-rs aborts the process or truncates silently when the value is not of the kind that was announced.
function argumentKind(ffi: Ffi, arg: unknown, what: string): number {
  if (types.isUint8Array(arg) && arg.length > 0) return ffi.DataType.U8Array
  if (typeof arg === 'number' && (arg | 0) === arg) return ffi.DataType.I32
  throw new NbdUsageError(`${what} must be a 32-bit integer or a Uint8Array that is not empty`)
}
