import type { Errno } from '@nbdjs/core'
import type { VsockAddress } from './address.js'

/** The result of a system call: a value, or the name of an error. */
export type SyscallResult =
  | { readonly value: number; readonly errno?: undefined }
  | { readonly errno: Errno; readonly value?: undefined }

/**
 * The system calls of a dial. No call blocks, and none throws for an error of the kernel.
 *
 * An interface, because tests script each error at each point and count what stays open.
 */
export interface Syscalls {
  /** `socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)`: the value is a descriptor. */
  vsockSocket(): SyscallResult

  /** `setsockopt(SO_VM_SOCKETS_CONNECT_TIMEOUT)`: the kernel's timeout of a `connect`. */
  setConnectTimeout(fd: number, timeoutMs: number): SyscallResult

  /** `connect(2)` on a non-blocking socket: the normal result is EINPROGRESS. */
  connect(fd: number, address: VsockAddress): SyscallResult

  /** `poll(2)` for writing, without waiting: the value is 0 while nothing has happened. */
  pollWritable(fd: number): SyscallResult

  /** `getsockopt(SO_ERROR)`: the value is 0 when nothing is pending, the pending error comes as `errno`. */
  pendingError(fd: number): SyscallResult

  /** `getpeername(2)`: fails with ENOTCONN while there is no connection. */
  getpeername(fd: number): SyscallResult

  /** `socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)`. */
  socketpair(): SocketpairResult

  /** `dup3(2)` with O_CLOEXEC: `target` becomes a second descriptor of what `source` refers to. */
  dup3(source: number, target: number): SyscallResult

  /** `ioctl(IOCTL_VM_SOCKETS_GET_LOCAL_CID)` on `/dev/vsock`: the value is the CID. */
  localCid(fd: number): SyscallResult

  /** `close(2)`. The descriptor is closed, whatever the result is. */
  close(fd: number): SyscallResult
}

export type SocketpairResult =
  | { readonly value: readonly [number, number]; readonly errno?: undefined }
  | { readonly errno: Errno; readonly value?: undefined }
