import { fstatSync } from 'node:fs'
import { DataType, load, open } from 'ffi-rs'

/** Descriptors that Node did not open, as a native module makes them. */

const library = '@nbdjs/transport-process/test:libc'
// An empty path means dlopen(NULL): the symbols that the process has already.
open({ library, path: '' })

const AF_UNIX = 1
const AF_INET = 2
const type = { stream: 1, datagram: 2 } as const

function call(funcName: string, ...args: readonly (number | Uint8Array)[]): number {
  const paramsType = args.map((arg) => (typeof arg === 'number' ? DataType.I32 : DataType.U8Array))
  const paramsValue = [...args]
  const value = load({ library, funcName, retType: DataType.I32, paramsType, paramsValue })
  if (value < 0) throw new Error(`${funcName} failed`)
  return value
}

/** socketpair(2) */
export function socketPair(kind: keyof typeof type = 'stream'): [number, number] {
  const pair = new Int32Array(2)
  call('socketpair', AF_UNIX, type[kind], 0, new Uint8Array(pair.buffer))
  return [pair[0] as number, pair[1] as number]
}

/** A TCP socket that is not connected. */
export const looseSocket = (): number => call('socket', AF_INET, type.stream, 0)

export const close = (fd: number): number => call('close', fd)

export function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}
