/**
 * Numbers of Linux's ABI, for the architectures that ffi-rs has a binary for (x64, arm64, arm), where they are
 * all the same.
 */

export const AF_UNIX = 1
export const AF_VSOCK = 40

export const SOCK_STREAM = 1
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000

export const O_CLOEXEC = 0o2000000

export const SOL_SOCKET = 1
export const SO_ERROR = 4

/** SO_VM_SOCKETS_CONNECT_TIMEOUT, a `struct timeval` at the level AF_VSOCK: <linux/vm_sockets.h>. */
export const SO_VM_SOCKETS_CONNECT_TIMEOUT = 6

/** IOCTL_VM_SOCKETS_GET_LOCAL_CID, `_IO(7, 0xb9)`: <linux/vm_sockets.h>. */
export const IOCTL_VM_SOCKETS_GET_LOCAL_CID = 0x7b9

export const POLLOUT = 4
