import { closeSync, openSync } from 'node:fs'
import { type Errno, NbdTransportError } from '@nbdjs/core'
import { type Platform, requireSyscalls, thisPlatform } from './platform.js'

const DEVICE = '/dev/vsock'
const OPERATION = 'localCid'

/**
 * The CID of this machine: its own in a virtual machine, `Cid.Host` on a host. `Cid.Any` means that no driver
 * has given it one.
 *
 * Throws a NbdTransportError where it cannot be asked for: it needs Linux, Node.js and the device /dev/vsock.
 */
export function localCid(): number {
  return localCidOn(thisPlatform)
}

/** {@link localCid} of any platform, for tests. */
export function localCidOn(platform: Platform, device: string = DEVICE): number {
  const syscalls = requireSyscalls(platform, OPERATION, device)
  const fd = openDevice(device)
  try {
    const { value, errno } = syscalls.localCid(fd)
    if (errno === undefined) return value
    throw failure(device, `ioctl(IOCTL_VM_SOCKETS_GET_LOCAL_CID) ${errno}`, errno)
  } finally {
    closeSync(fd)
  }
}

function openDevice(device: string): number {
  try {
    return openSync(device, 'r')
  } catch (cause) {
    const { code = 'EIO', message } = cause as NodeJS.ErrnoException
    const advice = adviceOn[code]
    throw failure(device, advice === undefined ? message : `${message} (${advice})`, code, cause)
  }
}

function failure(device: string, what: string, errno: Errno, cause?: unknown): NbdTransportError {
  return new NbdTransportError(`${OPERATION} of ${device} failed: ${what}`, {
    operation: OPERATION,
    address: device,
    errno,
    cause,
  })
}

const adviceOn: { readonly [errno in Errno]?: string } = {
  ENOENT: '"modprobe vsock" makes the device; a container must be given it',
  EACCES: 'only the owner of the device may ask it: usually root',
  EPERM: 'a container must be given the device',
}
