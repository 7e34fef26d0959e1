import { findSyscalls, type Platform, thisPlatform } from './platform.js'

/**
 * Whether this process can dial a vsock: on Linux and Node.js, where the kernel opens an AF_VSOCK socket. That
 * there is a machine to connect to, it does not say. Asks the system at every call; never throws.
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
