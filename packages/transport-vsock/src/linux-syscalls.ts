import type { VsockAddress } from './address.js'
import { errnoName, type Libc } from './libc.js'
import type { SocketpairResult, SyscallResult, Syscalls } from './syscalls.js'

// Numbers of Linux's ABI, the same on all architectures that ffi-rs has a binary for (x64, arm64, arm).

const AF_UNIX = 1
const AF_VSOCK = 40

const SOCK_STREAM = 1
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000

const O_CLOEXEC = 0o2000000

const SOL_SOCKET = 1
const SO_ERROR = 4

/** SO_VM_SOCKETS_CONNECT_TIMEOUT, a `struct timeval` at the level AF_VSOCK: <linux/vm_sockets.h>. */
const SO_VM_SOCKETS_CONNECT_TIMEOUT = 6

/** IOCTL_VM_SOCKETS_GET_LOCAL_CID, `_IO(7, 0xb9)`: <linux/vm_sockets.h>. */
const IOCTL_VM_SOCKETS_GET_LOCAL_CID = 0x7b9

const POLLOUT = 4

/** The system calls of Linux, made through its C library. */
export function linuxSyscalls(libc: Libc): Syscalls {
  return {
    vsockSocket: () => libc('socket', AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),

    setConnectTimeout(fd, timeoutMs) {
      const timeval = encodeTimeval(timeoutMs)
      return libc('setsockopt', fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, timeval, timeval.length)
    },

    connect: (fd, address) => libc('connect', fd, encodeSockaddrVm(address), SOCKADDR_VM_LENGTH),

    pollWritable(fd) {
      const pollfd = encodePollfd(fd, POLLOUT)
      return libc('poll', pollfd, 1, 0)
    },

    pendingError: (fd) => pendingError(libc, fd),

    getpeername(fd) {
      const address = new Uint8Array(SOCKADDR_VM_LENGTH)
      return libc('getpeername', fd, address, bytesOf(Uint32Array.of(address.length)))
    },

    socketpair: () => socketpair(libc),
    dup3: (source, target) => libc('dup3', source, target, O_CLOEXEC),
    localCid: (fd) => localCid(libc, fd),
    close: (fd) => libc('close', fd),
  }
}

function pendingError(libc: Libc, fd: number): SyscallResult {
  const code = new Int32Array(1)
  const length = bytesOf(Uint32Array.of(code.byteLength))
  const result = libc('getsockopt', fd, SOL_SOCKET, SO_ERROR, bytesOf(code), length)
  if (result.errno !== undefined) return result
  return code[0] === 0 ? { value: 0 } : { errno: errnoName(code[0] as number) }
}

function socketpair(libc: Libc): SocketpairResult {
  const pair = new Int32Array(2)
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC
  const { errno } = libc('socketpair', AF_UNIX, type, 0, bytesOf(pair))
  return errno === undefined ? { value: [pair[0] as number, pair[1] as number] } : { errno }
}

function localCid(libc: Libc, fd: number): SyscallResult {
  const cid = new Uint32Array(1)
  const result = libc('ioctl', fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, bytesOf(cid))
  return result.errno === undefined ? { value: cid[0] as number } : result
}

// struct pollfd { int fd; short events; short revents; }
function encodePollfd(fd: number, events: number): Uint8Array {
  const memory = new ArrayBuffer(8)
  new Int32Array(memory)[0] = fd
  new Int16Array(memory)[2] = events
  return new Uint8Array(memory)
}

// struct timeval { long tv_sec; long tv_usec; }: a long has 4 bytes on 32-bit ARM and 8 elsewhere.
function encodeTimeval(timeoutMs: number): Uint8Array {
  const parts = [Math.floor(timeoutMs / 1000), (timeoutMs % 1000) * 1000]
  return process.arch === 'arm'
    ? bytesOf(Int32Array.from(parts))
    : bytesOf(BigInt64Array.from(parts.map(BigInt)))
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

/** Length of a `struct sockaddr_vm` in bytes. */
const SOCKADDR_VM_LENGTH = 16

// struct sockaddr_vm of <linux/vm_sockets.h>: every field is in the byte order of the machine, unlike the addresses of
// the internet families.
const FAMILY_INDEX = 0 // u16 at byte 0
const PORT_INDEX = 1 // u32 at byte 4
const CID_INDEX = 2 // u32 at byte 8
const FLAGS_INDEX = 12 // u8 at byte 12

const VMADDR_FLAG_TO_HOST = 1

/** The `struct sockaddr_vm` of an address: vsock(7), "Address format". */
export function encodeSockaddrVm({ cid, port, toHost = false }: VsockAddress): Uint8Array {
  const memory = new ArrayBuffer(SOCKADDR_VM_LENGTH)
  new Uint16Array(memory)[FAMILY_INDEX] = AF_VSOCK
  const words = new Uint32Array(memory)
  words[PORT_INDEX] = port
  words[CID_INDEX] = cid
  const bytes = new Uint8Array(memory)
  if (toHost) bytes[FLAGS_INDEX] = VMADDR_FLAG_TO_HOST
  return bytes
}
