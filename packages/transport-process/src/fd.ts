import { fstat } from 'node:fs'
import { Socket, type SocketConstructorOpts } from 'node:net'
import { inspect, promisify } from 'node:util'
import {
  type Connection,
  type DialOptions,
  type Errno,
  NbdTransportError,
  NbdUsageError,
  type Transport,
} from '@nbdjs/core'
import {
  type OnReadOptions,
  type SocketConnection,
  socketConnection,
  transportError,
} from '@nbdjs/node-socket'

/**
 * NBD over a socket that is open already: one that this process inherited, or that a native module made.
 *
 * `descriptor` is the number of a connected stream socket (TCP or unix) that nothing else in this process reads
 * from or writes to. The first dial that succeeds takes ownership: the connection closes it. After a dial that
 * failed it is the caller's as before, but may be non-blocking. There is one connection in it, and so every other
 * dial rejects with EALREADY.
 *
 * Throws a NbdUsageError unless it is an integer from 0 to 2147483647. A dial rejects with EBADF for a descriptor
 * that is not open, with ENOTSOCK for one that is no socket, with ENOTSUP for a socket that Node cannot adopt. A
 * socket that is not connected is found out by the first read.
 */
export function fd(descriptor: number): Transport {
  if (!Number.isInteger(descriptor) || descriptor < 0 || descriptor > 2 ** 31 - 1) {
    const expected = 'expected an integer from 0 to 2147483647'
    throw new NbdUsageError(`fd: descriptor is ${inspect(descriptor)}: ${expected}`)
  }
  return new DescriptorTransport(descriptor)
}

class DescriptorTransport implements Transport {
  readonly address: string
  readonly #fd: number
  #isTaken = false

  constructor(fd: number) {
    this.address = `fd:${fd}`
    this.#fd = fd
  }

  async dial({ signal }: DialOptions): Promise<Connection> {
    signal.throwIfAborted()
    this.#requireFree()
    const stats = await promisify(fstat)(this.#fd).catch((error: unknown) => {
      throw transportError(this.address, error, 'dial')
    })
    signal.throwIfAborted()
    this.#requireFree()
    if (!stats.isSocket()) throw this.#refusal('ENOTSOCK', `descriptor ${this.#fd} is not a socket`)
    const connection = this.#adopt()
    this.#isTaken = true
    return connection
  }

  #adopt(): SocketConnection {
    try {
      return socketConnection(this.address, (onread) => openSocket(this.#fd, onread))
    } catch (error) {
      const isOther = (error as NodeJS.ErrnoException).code === 'ERR_INVALID_FD_TYPE'
      if (!isOther) throw transportError(this.address, error, 'dial')
      const what = `descriptor ${this.#fd} is a socket that Node cannot adopt: expected a stream socket, TCP or unix`
      throw this.#refusal('ENOTSUP', what)
    }
  }

  #requireFree(): void {
    if (!this.#isTaken) return
    throw this.#refusal('EALREADY', `descriptor ${this.#fd} belongs to the connection of an earlier dial`)
  }

  #refusal(errno: Errno, what: string): NbdTransportError {
    const { address } = this
    return new NbdTransportError(`dial of ${address} failed: ${what}`, { operation: 'dial', address, errno })
  }
}

function openSocket(fd: number, onread: OnReadOptions): Socket {
  // The types of Node 20 know `onread` for sockets that connect only.
  const options: SocketConstructorOpts & { onread: OnReadOptions } = {
    fd,
    onread,
    readable: true,
    writable: true,
    allowHalfOpen: true,
  }
  // Of TCP: a request must not wait for the acknowledgement of the one before.
  return new Socket(options).setNoDelay(true)
}
