import { closeSync, openSync } from 'node:fs'
import { type Errno, escapeUnprintable, type NbdErrorDetails, NbdTransportError } from '@nbdjs/core'
import { type Platform, requireSyscalls, thisPlatform } from './platform.js'

const DEVICE = '/dev/vsock'
const OPERATION = 'localCid'

/**
 * Returns the CID of this machine: its own in a virtual machine, `Cid.Host` on a host, `Cid.Any` if no driver has given it
 * one. It needs Linux, Node.js and the device /dev/vsock.
 *
 * @returns a CID, 0 to 2^32-1.
 * @throws {NbdTransportError} EAFNOSUPPORT, or the errno of opening /dev/vsock: root may read it, usually.
 * @example
 * console.log(`nbd+vsock://${localCid()}:10809/`)
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
    throw failure(device, `ioctl(IOCTL_VM_SOCKETS_GET_LOCAL_CID) ${errno}`, { errno })
  } finally {
    closeSync(fd)
  }
}

function openDevice(device: string): number {
  try {
    return openSync(device, 'r')
  } catch (cause) {
    const { code = 'EIO', message } = cause as NodeJS.ErrnoException
    throw failure(device, escapeUnprintable(message), { errno: code, hint: hints[code], cause })
  }
}

function failure(device: string, what: string, details: NbdErrorDetails): NbdTransportError {
  return new NbdTransportError(`${OPERATION} of ${device} failed: ${what}`, {
    operation: OPERATION,
    address: device,
    ...details,
  })
}

const hints: { readonly [errno in Errno]?: string } = {
  ENOENT: '"modprobe vsock" makes the device; a container needs access to it',
  EACCES: 'only the owner of the device may open it, usually root',
  EPERM: 'a container needs access to the device',
}
