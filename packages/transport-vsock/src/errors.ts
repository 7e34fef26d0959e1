import { type Errno, type NbdErrorDetails, NbdTransportError } from '@nbdjs/core'
import { Cid } from './cid.js'
import type { VsockAddress } from './syscalls.js'

/** `vsock://2:10809`: the address as people write it. */
export function formatVsockAddress({ cid, port }: VsockAddress): string {
  return `vsock://${cid}:${port}`
}

/** The dial failed in a system call. The message tells what its error means on a vsock, and what to do. */
export function dialError(address: VsockAddress, syscall: string, errno: Errno): NbdTransportError {
  const advice = adviceOn[errno]?.(address)
  return dialFailure(
    address,
    advice === undefined ? `${syscall} ${errno}` : `${syscall} ${errno} (${advice})`,
    errno,
  )
}

/** Nobody answered in time. */
export function dialTimeout(address: VsockAddress, timeoutMs: number): NbdTransportError {
  return dialFailure(
    address,
    `no answer within ${timeoutMs} ms (does the machine with CID ${address.cid} run, and has it loaded its ` +
      'vsock driver? The option connectTimeoutMs asks for a longer wait)',
    'ETIMEDOUT',
  )
}

function dialFailure(address: VsockAddress, what: string, errno: Errno): NbdTransportError {
  const printable = formatVsockAddress(address)
  const message = `dial of ${printable} failed: ${what}`
  return new NbdTransportError(message, { operation: 'dial', address: printable, errno })
}

/** This process, or this system, has no vsock at all. `where` names it, and tells what to do. */
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
    return 'CID 1 is this machine itself, for which the kernel needs a module: "modprobe vsock_loopback"'
  }
  if (cid === Cid.Host) {
    return 'CID 2 is the host, which only a virtual machine with a vsock device can reach'
  }
  return `no machine with CID ${cid} can be reached from here; is it running?`
}

const tooManyOpen = (): string => 'too many open descriptors; close some, or raise the limit ("ulimit -n")'

const adviceOn: { readonly [errno in Errno]?: (address: VsockAddress) => string } = {
  // A vsock peer has no other way to refuse than a reset; VMCI says it as the internet families do.
  ECONNRESET: refused,
  ECONNREFUSED: refused,
  ENODEV: unreachable,
  ENETUNREACH: unreachable,
  EHOSTUNREACH: unreachable,
  EMFILE: tooManyOpen,
  ENFILE: tooManyOpen,
}
