import { closeSync, openSync } from 'node:fs'
import { loadLibc } from './built.js'

// VHOST_VSOCK_SET_GUEST_CID of <linux/vhost.h>: _IOW(0xaf, 0x60, __u64).
const SET_GUEST_CID = 0x4008af60

let nextCid = 1000

/** A virtual machine that is registered with the kernel and never boots: a dial to it gets no answer. */
export class SilentMachine {
  readonly cid: number
  readonly #fd: number

  constructor() {
    this.cid = nextCid++
    // The device that qemu opens for the vsock of a virtual machine.
    this.#fd = openSync('/dev/vhost-vsock', 'r+')
    const cid = new Uint8Array(BigUint64Array.of(BigInt(this.cid)).buffer)
    const { errno } = loadLibc()('ioctl', this.#fd, SET_GUEST_CID, cid)
    if (errno !== undefined) throw new Error(`ioctl VHOST_VSOCK_SET_GUEST_CID failed: ${errno}`)
  }

  close(): void {
    closeSync(this.#fd)
  }
}
