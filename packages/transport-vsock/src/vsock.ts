import {
  type Connection,
  checkArgument,
  checkOptions,
  type DialOptions,
  option,
  type Transport,
  toUriAddress,
  type UriAddress,
} from '@nbdjs/core'
import { formatVsockAddress, uint32, type VsockAddress } from './address.js'
import { adoptDescriptor } from './adopt.js'
import { connectVsock } from './connect.js'
import { type Platform, requireSyscalls, thisPlatform } from './platform.js'

/** The options of `vsock`. */
export interface VsockOptions {
  /**
   * The longest that a dial may wait for an answer, in milliseconds: 1 to 2147483647. It then fails with ETIMEDOUT. It is
   * set on the socket as well (SO_VM_SOCKETS_CONNECT_TIMEOUT), and may therefore be longer than the kernel's own.
   *
   * @default 2000, the kernel's own timeout
   */
  readonly connectTimeoutMs?: number | undefined
  /**
   * Lets the host route the connection (VMADDR_FLAG_TO_HOST, Linux 5.11): to another virtual machine of the same host,
   * where the host supports that.
   *
   * @default false
   */
  readonly toHost?: boolean | undefined
}

const rules = {
  connectTimeoutMs: option.integer({ min: 1, max: 2 ** 31 - 1 }),
  toHost: option.boolean(false),
}

/**
 * Makes a transport over AF_VSOCK (vsock(7)): from a virtual machine to its host, from the host to a virtual machine, or
 * to this machine itself. It needs Linux and Node.js: elsewhere a dial rejects with EAFNOSUPPORT.
 *
 * @param cid The context identifier of the machine, 0 to 2^32-1. `Cid` has those with a fixed meaning.
 * @param port 0 to 2^32-1.
 * @param options Options of the dial.
 * @returns the transport. A dial rejects with a NbdTransportError whose hint says what the errno means on a vsock.
 * @throws {NbdUsageError} for an argument or an option that cannot work.
 * @example
 * const nbd = await connect(vsock(Cid.Host, 10809))
 */
export function vsock(cid: number, port: number, options: VsockOptions = {}): Transport {
  const address = {
    cid: checkArgument('vsock', 'cid', uint32, cid),
    port: checkArgument('vsock', 'port', uint32, port),
  }
  return new VsockTransport(address, checkOptions('vsock', rules, options), thisPlatform)
}

/** The class of {@link vsock}. The platform is a parameter, for tests. */
export class VsockTransport implements Transport {
  readonly address: string
  readonly uri: UriAddress | undefined
  readonly #peer: VsockAddress
  readonly #connectTimeoutMs: number | undefined
  readonly #platform: Platform

  constructor(
    { cid, port }: VsockAddress,
    { connectTimeoutMs, toHost = false }: VsockOptions,
    platform: Platform,
  ) {
    const peer = { cid, port, toHost }
    this.address = formatVsockAddress(peer)
    // An NBD URI has no place for the flag.
    this.uri = toHost ? undefined : toUriAddress({ transport: 'vsock', cid, port })
    this.#peer = peer
    this.#connectTimeoutMs = connectTimeoutMs
    this.#platform = platform
  }

  async dial({ signal, onStep }: DialOptions): Promise<Connection> {
    signal.throwIfAborted()
    const syscalls = requireSyscalls(this.#platform, 'dial', this.address)
    const options = { signal, connectTimeoutMs: this.#connectTimeoutMs }
    onStep?.(`waiting for CID ${this.#peer.cid} to answer connect`)
    const fd = await connectVsock(syscalls, this.#peer, options)
    return adoptDescriptor(syscalls, fd, this.#peer)
  }
}
