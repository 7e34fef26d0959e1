import { NbdTransportError } from '@nbdjs/core'
import { notSupported } from './errors.js'
import { loadLibc } from './libc.js'
import { linuxSyscalls } from './linux-syscalls.js'
import type { Syscalls } from './syscalls.js'

/** What of `process` decides whether a vsock can work here. */
export type Runtime = Pick<NodeJS.Process, 'platform' | 'arch' | 'versions'>

/** Where the system calls come from: injected, so that tests can be any platform and any kernel. */
export interface Platform {
  readonly runtime: Runtime
  /** Loads what makes system calls: nothing native is loaded before. Throws where there is no binary for it. */
  loadSyscalls(): Syscalls
}

/** The process that this runs in. */
export const thisPlatform: Platform = {
  runtime: process,
  loadSyscalls: () => linuxSyscalls(loadLibc()),
}

/**
 * The system calls, for an operation that needs them. Throws a NbdTransportError that tells what is not
 * supported and what to do instead.
 */
export function requireSyscalls(platform: Platform, operation: string, address: string): Syscalls {
  const reason = unsupported(platform.runtime)
  if (reason !== undefined) throw notSupported(operation, address, reason)
  try {
    return platform.loadSyscalls()
  } catch (cause) {
    const { platform: system, arch } = platform.runtime
    const why = cause instanceof Error ? cause.message : String(cause)
    throw notSupported(
      operation,
      address,
      `${system} ${arch}: ffi-rs, which makes the system calls, could not be loaded (${why}). ` +
        'It has binaries for x64, arm64 and arm, which are optional dependencies: install them',
      { cause },
    )
  }
}

/** The same, but undefined where they cannot be had. */
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
      // A vsock reaches Node's event loop as a pipe's descriptor. Bun refuses such a socket, Deno hangs on it.
      return `${name} ${version}, which cannot wait for a socket that it has not made. Use Node.js 20 or newer`
    }
  }
  if (platform !== 'linux') {
    return `${platform}: it is a socket family of Linux. Use tcp, unix or hybridVsock instead`
  }
  return undefined
}
