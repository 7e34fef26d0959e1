import { setTimeout as sleep } from 'node:timers/promises'
import { connectionPeer, type Listener, type Peer } from '@nbdjs/conformance'
import type { Connection, Transport } from '@nbdjs/core'
import { Cid, vsock } from '@nbdjs/transport-vsock'
import type { SyscallResult } from '../../../packages/transport-vsock/src/syscalls.js'
import { adoptDescriptor, encodeSockaddrVm, linuxSyscalls, loadLibc } from './built.js'

const libc = loadLibc()
const syscalls = linuxSyscalls(libc)

const ANY_PORT = 0xffffffff
const BACKLOG = 16
const SOCK_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
const SOCKADDR_LENGTH = 16

/** Listens on AF_VSOCK in this virtual machine, on a port that the kernel chooses. */
export class VsockListener implements Listener {
  readonly transport: Transport
  readonly #fd: number
  readonly #address: { readonly cid: number; readonly port: number }
  #isOpen = true

  constructor() {
    this.#fd = required('socket', syscalls.vsockSocket())
    const any = encodeSockaddrVm({ cid: Cid.Any, port: ANY_PORT })
    required('bind', libc('bind', this.#fd, any, any.length))
    required('listen', libc('listen', this.#fd, BACKLOG))
    this.#address = { cid: Cid.Local, port: this.#boundPort() }
    this.transport = vsock(this.#address.cid, this.#address.port)
  }

  async accept(): Promise<Peer> {
    return connectionPeer(await this.acceptConnection())
  }

  /** The other end of the next connection. */
  async acceptConnection(): Promise<Connection> {
    for (;;) {
      if (!this.#isOpen) throw new Error('the listener was closed')
      const accepted = libc('accept4', this.#fd, ...emptyAddress(), SOCK_NONBLOCK_CLOEXEC)
      if (accepted.errno === undefined) return adoptDescriptor(syscalls, accepted.value, this.#address)
      if (accepted.errno !== 'EAGAIN') required('accept4', accepted)
      await sleep(1)
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    required('close', syscalls.close(this.#fd))
  }

  #boundPort(): number {
    const [address, length] = emptyAddress()
    required('getsockname', libc('getsockname', this.#fd, address, length))
    return new Uint32Array(address.buffer)[SOCKADDR_VM_PORT] as number
  }
}

/** The index of the port in a `struct sockaddr_vm` of 32-bit words. */
const SOCKADDR_VM_PORT = 1

function emptyAddress(): [address: Uint8Array, length: Uint8Array] {
  return [new Uint8Array(SOCKADDR_LENGTH), new Uint8Array(Uint32Array.of(SOCKADDR_LENGTH).buffer)]
}

function required(syscall: string, { value, errno }: SyscallResult): number {
  if (value === undefined) throw new Error(`${syscall} failed with ${errno}`)
  return value
}
