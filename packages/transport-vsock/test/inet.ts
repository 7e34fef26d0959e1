import { createServer, type Server, type Socket } from 'node:net'
import { type Libc, loadLibc } from '../src/libc.js'
import { linuxSyscalls } from '../src/linux-syscalls.js'
import type { SyscallResult, Syscalls } from '../src/syscalls.js'

const AF_INET = 2
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000

/** An address of 127.0.0.1 as `struct sockaddr_in`, whose port is in network byte order. */
function sockaddrIn(port: number): Uint8Array {
  const bytes = new Uint8Array(16)
  new Uint16Array(bytes.buffer)[0] = AF_INET
  new DataView(bytes.buffer).setUint16(2, port)
  bytes.set([127, 0, 0, 1], 4)
  return bytes
}

/** A socket as `vsockSocket` opens it, but of the family AF_INET. */
export function inetSocket(libc: Libc = loadLibc()): SyscallResult {
  return libc('socket', AF_INET, SOCK_STREAM_NONBLOCK_CLOEXEC, 0)
}

/** Connects such a socket to a port of 127.0.0.1, without waiting. */
export function inetConnect(fd: number, port: number, libc: Libc = loadLibc()): SyscallResult {
  return libc('connect', fd, sockaddrIn(port), 16)
}

/**
 * The real system calls, except that a dial leads to a TCP port of this machine: everything of a dial but the
 * family of the socket, without a vsock.
 */
export function inetSyscalls(): Syscalls {
  return {
    ...linuxSyscalls(loadLibc()),
    vsockSocket: () => inetSocket(),
    connect: (fd, { port }) => inetConnect(fd, port),
  }
}

/** A TCP server on 127.0.0.1. */
export interface InetServer {
  readonly port: number
  /** The next connection that it accepts. */
  accept(): Promise<Socket>
  stop(): Promise<void>
}

export async function listenInet(): Promise<InetServer> {
  const server: Server = createServer({ allowHalfOpen: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error(`no port: ${address}`)
  return {
    port: address.port,
    accept: () => new Promise((resolve) => server.once('connection', resolve)),
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
