import { type Errno, onAbort } from '@nbdjs/core'
import { formatVsockAddress, type VsockAddress } from './address.js'
import { dialError, dialTimeout, notSupported } from './errors.js'
import type { Syscalls } from './syscalls.js'

/** How long Linux waits for the answer to a connect (VSOCK_DEFAULT_CONNECT_TIMEOUT). */
const KERNEL_CONNECT_TIMEOUT_MS = 2000

export interface ConnectOptions {
  readonly signal: AbortSignal
  /** In milliseconds. Default: the kernel's own 2 seconds. */
  readonly connectTimeoutMs?: number | undefined
}

const FIRST_WAIT_MS = 1
const LONGEST_WAIT_MS = 32

/**
 * Opens a vsock and connects it. Resolves with the descriptor, which the caller owns from then on.
 *
 * Rejects with the signal's own reason when aborted, else with a NbdTransportError; nothing is left open then.
 *
 * It waits by `poll` on a timer that backs off, because a connect takes well under a millisecond if the peer answers. A
 * thread of libuv's pool would delay file system and DNS calls, and could not be cancelled.
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
  const hint = familyHints[errno]
  if (hint === undefined) throw dialError(address, 'socket', errno)
  throw notSupported('dial', formatVsockAddress(address), `this system: socket ${errno}`, { errno, hint })
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

  let isInProgress = false
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    isInProgress ||= startConnect(syscalls, fd, address)
    if (isInProgress && isConnected(syscalls, fd, address, timeoutMs)) return signal.throwIfAborted()
    const remainingMs = deadlineMs - performance.now()
    if (remainingMs <= 0) throw dialTimeout(address, timeoutMs)
    await sleep(Math.min(waitMs, remainingMs), signal)
  }
}

/** Resolves after `ms`. Rejects with the signal's own reason when aborted. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const offAbort = onAbort(signal, () => {
      clearTimeout(timer)
      reject(signal.reason)
    })
    const timer = setTimeout(() => {
      offAbort()
      resolve()
    }, ms)
  })
}

/** Whether the connect is in progress; otherwise the call must be repeated. */
function startConnect(syscalls: Syscalls, fd: number, address: VsockAddress): boolean {
  const { errno } = syscalls.connect(fd, address)
  if (errno === undefined || inProgressErrnos.has(errno)) return true
  if (transientErrnos.has(errno)) return false
  throw dialError(address, 'connect', errno)
}

/**
 * Whether the connection is made. A descriptor may become writable without a reason, and therefore three calls are needed:
 * poll for an event, SO_ERROR for an error, getpeername for a peer.
 */
function isConnected(syscalls: Syscalls, fd: number, address: VsockAddress, timeoutMs: number): boolean {
  const poll = syscalls.pollWritable(fd)
  if (poll.errno !== undefined) {
    if (transientErrnos.has(poll.errno)) return false
    throw dialError(address, 'poll', poll.errno)
  }
  if (poll.value === 0) return false

  const { errno } = syscalls.pendingError(fd)
  if (errno === 'ETIMEDOUT') throw dialTimeout(address, timeoutMs)
  if (errno !== undefined) {
    if (transientErrnos.has(errno) || inProgressErrnos.has(errno)) return false
    throw dialError(address, 'connect', errno)
  }

  const peer = syscalls.getpeername(fd)
  if (peer.errno === undefined) return true
  if (peer.errno === 'ENOTCONN') return false
  throw dialError(address, 'getpeername', peer.errno)
}

const inProgressErrnos: ReadonlySet<Errno> = new Set(['EINPROGRESS', 'EALREADY', 'EISCONN'])

const transientErrnos: ReadonlySet<Errno> = new Set(['EINTR', 'EAGAIN'])

const familyHints: { readonly [errno in Errno]?: string } = {
  EAFNOSUPPORT: 'the kernel has no AF_VSOCK; "modprobe vsock" loads it if it is a module',
  EPERM: 'the process may not open one; the seccomp profile of a container often forbids it',
  EACCES: 'the process may not open one; the seccomp profile of a container often forbids it',
}
