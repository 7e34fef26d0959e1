import { connect } from 'node:net'
import {
  type Connection,
  checkArgument,
  type DialOptions,
  escapeUnprintable,
  NbdTransportError,
  quote,
  type Transport,
} from '@nbdjs/core'
import { checkSocketPath, dialSocket, exchangeLine } from '@nbdjs/node-socket'
import { uint32 } from './address.js'

/**
 * Makes a transport to a virtual machine whose monitor offers its vsock to the host as a unix socket: Firecracker, Cloud
 * Hypervisor, Kata Containers. It needs neither AF_VSOCK nor native code.
 *
 * A dial connects to the socket, sends `CONNECT <port>` and reads `OK <port of the host's end>`; it rejects with a
 * NbdTransportError for any other answer. See "Host-Initiated Connections" in Firecracker's docs/vsock.md.
 *
 * @param path The path of the unix socket.
 * @param port The port in the virtual machine, 0 to 2^32-1.
 * @returns the transport.
 * @throws {NbdUsageError} for an argument that cannot work.
 * @example
 * const nbd = await connect(hybridVsock('/run/vm.sock', 10809))
 */
export function hybridVsock(path: string, port: number): Transport {
  checkSocketPath('hybridVsock', path)
  return new HybridVsockTransport(path, checkArgument('hybridVsock', 'port', uint32, port))
}

/** `OK 4294967295` has 13 bytes; the rest is for the text of an error. */
const LONGEST_ANSWER = 64

const ACCEPTED = /^OK [0-9]{1,10}$/

class HybridVsockTransport implements Transport {
  readonly address: string
  readonly #path: string
  readonly #port: number

  constructor(path: string, port: number) {
    this.address = `hybrid-vsock:${escapeUnprintable(path)}:${port}`
    this.#path = path
    this.#port = port
  }

  async dial({ signal, onStep }: DialOptions): Promise<Connection> {
    const { address } = this
    const connection = await dialSocket({
      address,
      signal,
      create: (onread) => connect({ path: this.#path, onread, allowHalfOpen: true }),
    })
    const line = `CONNECT ${this.#port}`
    const answer = await exchangeLine(connection, line, { signal, maxLength: LONGEST_ANSWER, onStep }).catch(
      (error: unknown) => {
        throw isReset(error) ? this.#refusal(error) : error
      },
    )
    if (ACCEPTED.test(answer)) return connection
    connection.destroy()
    await connection.close()
    throw new NbdTransportError(
      `dial of ${address} failed: sent ${quote(line)}, expected "OK <port>" in return, received ${quote(answer)}`,
      { operation: 'dial', address, errno: 'EPROTO' },
    )
  }

  /** A monitor closes the connection when no server in the virtual machine accepts it. */
  #refusal({ message, errno, cause }: NbdTransportError): NbdTransportError {
    const hint = `does a server listen on port ${this.#port} in the virtual machine?`
    return new NbdTransportError(message, { operation: 'dial', address: this.address, errno, hint, cause })
  }
}

function isReset(error: unknown): error is NbdTransportError {
  return error instanceof NbdTransportError && error.errno === 'ECONNRESET'
}
