import { escapeUnprintable, NbdTransportError } from '@nbdjs/core'
import { notSupported } from './errors.js'
import { loadLibc } from './libc.js'
import { linuxSyscalls } from './linux-syscalls.js'
import type { Syscalls } from './syscalls.js'

/** The parts of `process` that decide whether a vsock can work here. */
export type Runtime = Pick<NodeJS.Process, 'platform' | 'arch' | 'versions'>

/** The source of the system calls: a parameter, because tests script any platform and any kernel. */
export interface Platform {
  readonly runtime: Runtime
  /** Loads the native code that makes system calls. Throws where there is no binary of it. */
  loadSyscalls(): Syscalls
}

/** The process that this runs in. */
export const thisPlatform: Platform = {
  runtime: process,
  loadSyscalls: () => linuxSyscalls(loadLibc()),
}

/** Returns the system calls. Throws a NbdTransportError that says what is not supported and what to do instead. */
export function requireSyscalls(platform: Platform, operation: string, address: string): Syscalls {
  const reason = unsupported(platform.runtime)
  if (reason !== undefined) throw notSupported(operation, address, reason)
  try {
    return platform.loadSyscalls()
  } catch (cause) {
    const { platform: system, arch } = platform.runtime
    const why = escapeUnprintable(cause instanceof Error ? cause.message : String(cause))
    throw notSupported(
      operation,
      address,
      `${system} ${arch}: ffi-rs, which makes the system calls, could not be loaded (${why}). ` +
        'It has binaries for x64, arm64 and arm, which are optional dependencies: install them',
      { cause },
    )
  }
}

/** Returns the system calls, or undefined where they are not supported. */
export function findSyscalls(platform: Platform): Syscalls | undefined {
  try {
    return requireSyscalls(platform, '', '')
  } catch (error) {
    if (error instanceof NbdTransportError) return undefined
    throw error
  }
}

function unsupported({ platform, versions }: Runtime): string | undefined {
  for (const name of ['bun', 'deno'] as const) {
    const version = versions[name]
    if (version !== undefined) {
      // A vsock reaches Node's event loop as a pipe's descriptor. Bun rejects such a socket, Deno hangs on it.
      return `${name} ${version}, which cannot wait for a socket that it did not make. Use Node.js 20 or newer`
    }
  }
  if (platform !== 'linux') {
    return `${platform}: it is a socket family of Linux. Use tcp, unix or hybridVsock instead`
  }
  return undefined
}

/**
 * Whether this process can dial a vsock: on Linux with Node.js, if the kernel opens an AF_VSOCK socket. It does not mean
 * that there is a machine to connect to. Asks the system at every call, and never throws.
 *
 * @returns whether `vsock` can work here.
 * @example
 * const transport = supportsVsock() ? vsock(Cid.Host, 10809) : tcp('localhost')
 */
export function supportsVsock(): boolean {
  return supportsVsockOn(thisPlatform)
}

/** {@link supportsVsock} of any platform, for tests. */
export function supportsVsockOn(platform: Platform): boolean {
  const syscalls = findSyscalls(platform)
  if (syscalls === undefined) return false
  const { value } = syscalls.vsockSocket()
  if (value === undefined) return false
  syscalls.close(value)
  return true
}
