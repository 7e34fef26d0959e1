import { connect } from 'node:net'
import { type Connection, type DialOptions, NbdTransportError, type Transport } from '@nbdjs/core'
import { checkSocketPath, dialSocket, exchangeLine } from '@nbdjs/node-socket'
import { requireUint32 } from './uint32.js'

/**
 * The vsock of a virtual machine whose monitor offers it to the host as a unix socket: Firecracker, Cloud
 * Hypervisor, Kata Containers. No AF_VSOCK and no native code is involved.
 *
 * `path` is that socket's path, `port` (an integer from 0 to 2^32-1) where the server in the virtual machine
 * listens. Throws a NbdUsageError for an argument that cannot work.
 *
 * A dial connects to the socket, sends `CONNECT <port>` and awaits `OK <port of the host's end>`; it rejects
 * with a NbdTransportError when anything else comes. See "Host-Initiated Connections" in Firecracker's
 * docs/vsock.md.
 */
export function hybridVsock(path: string, port: number): Transport {
  checkSocketPath('hybridVsock', path)
  requireUint32('port', port)
  return new HybridVsockTransport(path, port)
}

// `OK 4294967295` has 13 bytes; the rest is room for the text of a refusal.
const LONGEST_ANSWER = 64

const ACCEPTED = /^OK [0-9]{1,10}$/

class HybridVsockTransport implements Transport {
  readonly address: string
  readonly #path: string
  readonly #port: number

  constructor(path: string, port: number) {
    this.address = `hybrid-vsock:${path}:${port}`
    this.#path = path
    this.#port = port
  }

  async dial({ signal }: DialOptions): Promise<Connection> {
    const { address } = this
    const connection = await dialSocket({
      address,
      signal,
      create: (onread) => connect({ path: this.#path, onread, allowHalfOpen: true }),
    })
    const line = `CONNECT ${this.#port}`
    const answer = await exchangeLine(connection, line, { signal, maxLength: LONGEST_ANSWER }).catch(
      (error: unknown) => {
        throw isReset(error) ? this.#refusal(error) : error
      },
    )
    if (ACCEPTED.test(answer)) return connection
    connection.destroy()
    await connection.close()
    throw new NbdTransportError(
      `dial of ${address} failed: sent "${line}", expected "OK <port>" in return, got ${JSON.stringify(answer)}`,
      { operation: 'dial', address, errno: 'EPROTO' },
    )
  }

  // A monitor closes the connection when nobody in the virtual machine takes it.
  #refusal({ message, errno }: NbdTransportError): NbdTransportError {
    const hint = `does a server listen on port ${this.#port} in the virtual machine?`
    return new NbdTransportError(`${message} (${hint})`, { operation: 'dial', address: this.address, errno })
  }
}

function isReset(error: unknown): error is NbdTransportError {
  return error instanceof NbdTransportError && error.errno === 'ECONNRESET'
}
