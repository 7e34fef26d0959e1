import { type Errno, type NbdErrorDetails, NbdTransportError } from '@nbdjs/core'
import { Cid, formatVsockAddress, type VsockAddress } from './address.js'

/** The error of a dial that failed in a system call. The hint says what the errno means on a vsock. */
export function dialError(address: VsockAddress, syscall: string, errno: Errno): NbdTransportError {
  return dialFailure(address, `${syscall} ${errno}`, errno, hints[errno]?.(address))
}

/** The error of a dial without an answer in time. */
export function dialTimeout(address: VsockAddress, timeoutMs: number): NbdTransportError {
  return dialFailure(
    address,
    `no answer to connect within ${timeoutMs} ms (option connectTimeoutMs)`,
    'ETIMEDOUT',
    `does the machine with CID ${address.cid} run, and has it loaded its vsock driver?`,
  )
}

function dialFailure(address: VsockAddress, what: string, errno: Errno, hint?: string): NbdTransportError {
  const printable = formatVsockAddress(address)
  const message = `dial of ${printable} failed: ${what}`
  return new NbdTransportError(message, { operation: 'dial', address: printable, errno, hint })
}

/** The error of a system or a process without vsock. `where` names it. */
export function notSupported(
  operation: string,
  address: string,
  where: string,
  details: NbdErrorDetails = {},
): NbdTransportError {
  return new NbdTransportError(`${operation} of ${address} failed: vsock is not supported on ${where}`, {
    operation,
    address,
    errno: 'EAFNOSUPPORT',
    ...details,
  })
}

const refused = ({ cid, port }: VsockAddress): string =>
  `the machine with CID ${cid} refuses connections to port ${port}; does a server listen there?`

const unreachable = ({ cid }: VsockAddress): string => {
  if (cid === Cid.Local) {
    return 'CID 1 is this machine itself, which needs a kernel module: "modprobe vsock_loopback"'
  }
  if (cid === Cid.Host) {
    return 'CID 2 is the host, which only a virtual machine with a vsock device can reach'
  }
  return `no machine with CID ${cid} can be reached from here; is it running?`
}

const invalid = ({ toHost }: VsockAddress): string | undefined =>
  toHost ? 'the option toHost needs Linux 5.11 or newer' : undefined

const tooManyOpen = (): string => 'too many open descriptors; close some, or raise the limit ("ulimit -n")'

const hints: { readonly [errno in Errno]?: (address: VsockAddress) => string | undefined } = {
  EINVAL: invalid,
  // A vsock peer refuses by a reset; VMCI uses ECONNREFUSED, as the internet families do.
  ECONNRESET: refused,
  ECONNREFUSED: refused,
  ENODEV: unreachable,
  ENETUNREACH: unreachable,
  EHOSTUNREACH: unreachable,
  EMFILE: tooManyOpen,
  ENFILE: tooManyOpen,
}
