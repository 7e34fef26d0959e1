import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { types } from 'node:util'
import { argumentError, type Errno } from '@nbdjs/core'
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
 * Loads the C library of this process. ffi-rs is loaded at the first call, never before: importing this package needs no
 * native code. Throws what ffi-rs or the loader throws when there is no binary for this machine.
 */
export function loadLibc(): Libc {
  shared ??= openLibc(createRequire(import.meta.url)('ffi-rs') as Ffi)
  return shared
}

function openLibc(ffi: Ffi): Libc {
  // An empty path means dlopen(NULL): the symbols that the process has already, whatever the name of its libc.
  ffi.open({ library: LIBRARY, path: '' })

  return (name, ...args) => {
    const paramsType = args.map((arg, index) => argumentKind(ffi, arg, name, `argument ${index + 1}`))
    const { value, errnoCode } = ffi.load<typeof ffi.DataType.I32, true>({
      library: LIBRARY,
      funcName: name,
      retType: ffi.DataType.I32,
      paramsType,
      paramsValue: [...args],
      errno: true,
    })
    // errno is only valid when the value is -1.
    return value === -1 ? { errno: errnoName(errnoCode) } : { value }
  }
}

// ffi-rs aborts the process, or truncates silently, for a value that is not of the announced type.
function argumentKind(ffi: Ffi, arg: unknown, call: string, argument: string): number {
  if (types.isUint8Array(arg) && arg.length > 0) return ffi.DataType.U8Array
  if (typeof arg === 'number' && (arg | 0) === arg) return ffi.DataType.I32
  throw argumentError(call, argument, 'a 32-bit integer or a Uint8Array that is not empty', arg)
}

const names = new Map<number, string>()
for (const [name, code] of Object.entries(constants.errno)) {
  // EAGAIN and ENOTSUP have second names on Linux, later in the list.
  if (!names.has(code)) names.set(code, name)
}

/** The name of a positive error number of this system: 111 is `ECONNREFUSED` on Linux. */
export function errnoName(code: number): Errno {
  return names.get(code) ?? `errno ${code}`
}
