import { type Connection, type DialOptions, type Transport, toUriAddress, type UriAddress } from '@nbdjs/core'
import { adopt } from './adopt.js'
import { connectVsock } from './connect.js'
import { formatVsockAddress } from './errors.js'
import { type Platform, requireSyscalls, thisPlatform } from './platform.js'
import type { VsockAddress } from './syscalls.js'
import { requireUint32 } from './uint32.js'
import { requireVsockOptions, type VsockOptions } from './vsock-options.js'

/**
 * AF_VSOCK: from a virtual machine to its host, from the host to a virtual machine, or to a machine itself.
 *
 * `cid` and `port` are integers from 0 to 2^32-1; `Cid` has the well-known CIDs. Throws a NbdUsageError,
 * before anything is opened, for an argument or an option that cannot work.
 *
 * Dialling needs Linux and Node.js: elsewhere, and where the kernel refuses the family, it rejects with a
 * NbdTransportError that says so. vsock(7).
 */
export function vsock(cid: number, port: number, options: VsockOptions = {}): Transport {
  requireUint32('cid', cid)
  requireUint32('port', port)
  requireVsockOptions(options)
  return new VsockTransport({ cid, port }, options, thisPlatform)
}

/** What {@link vsock} returns; the platform is a parameter here, for tests. */
export class VsockTransport implements Transport {
  readonly address: string
  readonly uri: UriAddress | undefined
  readonly #peer: VsockAddress
  readonly #connectTimeoutMs: number | undefined
  readonly #platform: Platform

  constructor(peer: VsockAddress, { connectTimeoutMs }: VsockOptions, platform: Platform) {
    this.address = formatVsockAddress(peer)
    this.uri = toUriAddress({ transport: 'vsock', ...peer })
    this.#peer = peer
    this.#connectTimeoutMs = connectTimeoutMs
    this.#platform = platform
  }

  async dial({ signal }: DialOptions): Promise<Connection> {
    signal.throwIfAborted()
    const syscalls = requireSyscalls(this.#platform, 'dial', this.address)
    const options = { signal, connectTimeoutMs: this.#connectTimeoutMs }
    const fd = await connectVsock(syscalls, this.#peer, options)
    return adopt(syscalls, fd, this.#peer)
  }
}
