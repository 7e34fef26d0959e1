import { fstat } from 'node:fs'
import { Socket, type SocketConstructorOpts } from 'node:net'
import { promisify } from 'node:util'
import {
  type Connection,
  checkArgument,
  type DialOptions,
  type Errno,
  NbdTransportError,
  option,
  type Transport,
} from '@nbdjs/core'
import {
  type OnReadOptions,
  type SocketConnection,
  socketConnection,
  transportError,
} from '@nbdjs/node-socket'

/**
 * Makes a transport of a socket that is open already: one that this process inherited, or that a native module made.
 *
 * The first dial that succeeds takes ownership: the connection closes the descriptor. After a dial that failed the caller
 * still owns it, but it may be non-blocking. A descriptor is one connection, and therefore every later dial rejects with
 * EALREADY.
 *
 * A dial rejects with EBADF for a descriptor that is not open, with ENOTSOCK for one that is not a socket, with ENOTSUP
 * for a socket that Node cannot adopt. A socket that is not connected fails at its first read.
 *
 * @param descriptor A connected stream socket (TCP or unix) that nothing else in this process uses: 0 to 2147483647.
 * @returns the transport.
 * @throws {NbdUsageError} when it is not a number of a descriptor.
 * @example
 * const nbd = await connect(fd(3))
 */
export function fd(descriptor: number): Transport {
  return new DescriptorTransport(checkArgument('fd', 'descriptor', descriptorRule, descriptor))
}

const descriptorRule = option.required(option.integer({ min: 0, max: 2 ** 31 - 1 }))

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
  // In the types of Node 20 `onread` exists for sockets that connect only.
  const options: SocketConstructorOpts & { onread: OnReadOptions } = {
    fd,
    onread,
    readable: true,
    writable: true,
    allowHalfOpen: true,
  }
  // For TCP: a request must not wait for the acknowledgement of the previous one.
  return new Socket(options).setNoDelay(true)
}
