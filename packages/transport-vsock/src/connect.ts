import { setTimeout as sleep } from 'node:timers/promises'
import type { Errno } from '@nbdjs/core'
import { dialError, dialTimeout, formatVsockAddress, notSupported } from './errors.js'
import type { Syscalls, VsockAddress } from './syscalls.js'
import { KERNEL_CONNECT_TIMEOUT_MS } from './vsock-options.js'

export interface ConnectOptions {
  readonly signal: AbortSignal
  /** Milliseconds; the kernel's own 2 seconds when it is not given. */
  readonly connectTimeoutMs?: number | undefined
}

const FIRST_WAIT_MS = 1
const LONGEST_WAIT_MS = 32

/**
 * Opens a vsock and connects it. Resolves with the descriptor, which the caller owns from then on.
 *
 * Rejects with the signal's own reason when aborted, else with a NbdTransportError; nothing is left open then.
 *
 * The wait is a `poll` now and then on a timer that backs off, since a connect takes well under a millisecond
 * where anybody answers at all. A thread of libuv's pool would stand in the way of file system and DNS, and
 * could not be cancelled.
 */
export async function connectVsock(
  syscalls: Syscalls,
  address: VsockAddress,
  options: ConnectOptions,
): Promise<number> {
  options.signal.throwIfAborted()
  const fd = openVsock(syscalls, address)
  try {
    await connected(syscalls, fd, address, options)
    return fd
  } catch (error) {
    syscalls.close(fd)
    throw error
  }
}

function openVsock(syscalls: Syscalls, address: VsockAddress): number {
  const { value, errno } = syscalls.vsockSocket()
  if (errno === undefined) return value
  const advice = adviceOnRefusedFamily[errno]
  if (advice === undefined) throw dialError(address, 'socket', errno)
  throw notSupported('dial', formatVsockAddress(address), `this system: ${advice} (socket: ${errno})`, {
    errno,
  })
}

async function connected(
  syscalls: Syscalls,
  fd: number,
  address: VsockAddress,
  { signal, connectTimeoutMs }: ConnectOptions,
): Promise<void> {
  if (connectTimeoutMs !== undefined) {
    const { errno } = syscalls.setConnectTimeout(fd, connectTimeoutMs)
    if (errno !== undefined) throw dialError(address, 'setsockopt(SO_VM_SOCKETS_CONNECT_TIMEOUT)', errno)
  }
  const timeoutMs = connectTimeoutMs ?? KERNEL_CONNECT_TIMEOUT_MS
  const deadlineMs = performance.now() + timeoutMs

  let isUnderWay = false
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    isUnderWay ||= startConnect(syscalls, fd, address)
    if (isUnderWay && isConnected(syscalls, fd, address, timeoutMs)) return signal.throwIfAborted()
    const remainingMs = deadlineMs - performance.now()
    if (remainingMs <= 0) throw dialTimeout(address, timeoutMs)
    await sleep(Math.min(waitMs, remainingMs), undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

/** Whether the connection is being made now; otherwise the call is to be repeated. */
function startConnect(syscalls: Syscalls, fd: number, address: VsockAddress): boolean {
  const { errno } = syscalls.connect(fd, address)
  if (errno === undefined || underWay.has(errno)) return true
  if (passing.has(errno)) return false
  throw dialError(address, 'connect', errno)
}

/**
 * Whether the connection stands. A descriptor may become writable for nothing, hence three questions: is there
 * news (poll), is it an error (SO_ERROR), and is there a peer (getpeername).
 */
function isConnected(syscalls: Syscalls, fd: number, address: VsockAddress, timeoutMs: number): boolean {
  const poll = syscalls.pollWritable(fd)
  if (poll.errno !== undefined) {
    if (passing.has(poll.errno)) return false
    throw dialError(address, 'poll', poll.errno)
  }
  if (poll.value === 0) return false

  const { errno } = syscalls.pendingError(fd)
  if (errno === 'ETIMEDOUT') throw dialTimeout(address, timeoutMs)
  if (errno !== undefined) {
    if (passing.has(errno) || underWay.has(errno)) return false
    throw dialError(address, 'connect', errno)
  }

  const peer = syscalls.getpeername(fd)
  if (peer.errno === undefined) return true
  if (peer.errno === 'ENOTCONN') return false
  throw dialError(address, 'getpeername', peer.errno)
}

const underWay: ReadonlySet<Errno> = new Set(['EINPROGRESS', 'EALREADY', 'EISCONN'])

const passing: ReadonlySet<Errno> = new Set(['EINTR', 'EAGAIN'])

const adviceOnRefusedFamily: { readonly [errno in Errno]?: string } = {
  EAFNOSUPPORT: 'its kernel has no AF_VSOCK; "modprobe vsock" loads it where it is a module',
  EPERM: 'the process may not open one; the seccomp profile of a container often forbids it',
  EACCES: 'the process may not open one; the seccomp profile of a container often forbids it',
}
