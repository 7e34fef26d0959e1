import { Socket, type SocketConstructorOpts } from 'node:net'
import { type OnReadOptions, type SocketConnection, socketConnection } from '@nbdjs/node-socket'
import { dialError, formatVsockAddress } from './errors.js'
import type { Syscalls, VsockAddress } from './syscalls.js'

/** Makes the socket that owns a descriptor of a unix socket. */
export type OpenSocket = (fd: number, onread: OnReadOptions) => Socket

/**
 * Puts a connected descriptor on Node's event loop. The descriptor belongs to the connection from then on, and
 * is closed when this throws.
 *
 * Node refuses the descriptor of a vsock, since libuv does not know its family. So it gets one end of a unix
 * socket pair, which it takes for a pipe; then that descriptor is made to name the vsock instead. libuv tells
 * epoll about a descriptor on the next turn of the loop, hence this must all be done in one turn: it is the
 * vsock that is registered. Everything that a pipe can do (read, write, writev, shutdown), a vsock can.
 */
export function adopt(
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
  const [kept, spare] = pair.value
  try {
    return socketConnection(formatVsockAddress(address), (onread) => {
      const socket = openOrClose(syscalls, kept, onread, openSocket)
      const { errno } = syscalls.dup3(fd, kept)
      if (errno === undefined) return socket
      socket.destroy()
      throw dialError(address, 'dup3', errno)
    })
  } finally {
    syscalls.close(fd)
    syscalls.close(spare)
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
  // The types of Node 20 know `onread` for sockets that connect only.
  const options: SocketConstructorOpts & { onread: OnReadOptions } = {
    fd,
    onread,
    readable: true,
    writable: true,
    allowHalfOpen: true,
  }
  return new Socket(options)
}
