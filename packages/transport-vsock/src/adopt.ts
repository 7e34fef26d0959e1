import { Socket, type SocketConstructorOpts } from 'node:net'
import { type OnReadOptions, type SocketConnection, socketConnection } from '@nbdjs/node-socket'
import { formatVsockAddress, type VsockAddress } from './address.js'
import { dialError } from './errors.js'
import type { Syscalls } from './syscalls.js'

/** Makes a Node socket of the descriptor of a unix socket. */
export type OpenSocket = (fd: number, onread: OnReadOptions) => Socket

/**
 * Puts a connected vsock on Node's event loop. The connection owns the descriptor from then on; it is closed when this
 * throws.
 *
 * Node rejects the descriptor of a vsock, because libuv does not know its family. Therefore Node gets one end of a unix
 * socket pair, which it treats as a pipe; then dup3 replaces that descriptor by the vsock. libuv registers a descriptor
 * with epoll in the next turn of the loop: all of this is one turn, and the vsock is registered. A vsock supports
 * everything that Node does with a pipe (read, write, writev, shutdown).
 */
export function adoptDescriptor(
  syscalls: Syscalls,
  fd: number,
  address: VsockAddress,
  openSocket: OpenSocket = openPipe,
): SocketConnection {
  const pair = syscalls.socketpair()
  if (pair.errno !== undefined) {
    syscalls.close(fd)
    throw dialError(address, 'socketpair', pair.errno)
  }
  const [socketFd, peerFd] = pair.value
  try {
    return socketConnection(formatVsockAddress(address), (onread) => {
      const socket = openOrClose(syscalls, socketFd, onread, openSocket)
      const { errno } = syscalls.dup3(fd, socketFd)
      if (errno === undefined) return socket
      socket.destroy()
      throw dialError(address, 'dup3', errno)
    })
  } finally {
    syscalls.close(fd)
    syscalls.close(peerFd)
  }
}

function openOrClose(syscalls: Syscalls, fd: number, onread: OnReadOptions, openSocket: OpenSocket): Socket {
  try {
    return openSocket(fd, onread)
  } catch (error) {
    syscalls.close(fd)
    throw error
  }
}

const openPipe: OpenSocket = (fd, onread) => {
  // In the types of Node 20 `onread` exists for sockets that connect only.
  const options: SocketConstructorOpts & { onread: OnReadOptions } = {
    fd,
    onread,
    readable: true,
    writable: true,
    allowHalfOpen: true,
  }
  return new Socket(options)
}
