import { AF_VSOCK } from './linux.js'
import type { VsockAddress } from './syscalls.js'

/** Length of a `struct sockaddr_vm` in bytes. */
export const SOCKADDR_VM_LENGTH = 16

// struct sockaddr_vm of <linux/vm_sockets.h>: the kernel's own struct, so every field is in the byte order of
// the machine, unlike the addresses of the internet families.
const FAMILY_INDEX = 0 // u16 at byte 0
const PORT_INDEX = 1 // u32 at byte 4
const CID_INDEX = 2 // u32 at byte 8

/** The `struct sockaddr_vm` of an address: vsock(7), "Address format". */
export function encodeSockaddrVm({ cid, port }: VsockAddress): Uint8Array {
  const memory = new ArrayBuffer(SOCKADDR_VM_LENGTH)
  new Uint16Array(memory)[FAMILY_INDEX] = AF_VSOCK
  const words = new Uint32Array(memory)
  words[PORT_INDEX] = port
  words[CID_INDEX] = cid
  return new Uint8Array(memory)
}

/** The address in a `struct sockaddr_vm` that the kernel filled in; undefined when it is of another family. */
export function decodeSockaddrVm(bytes: Uint8Array): VsockAddress | undefined {
  if (bytes.length < SOCKADDR_VM_LENGTH) return undefined
  const memory = bytes.slice(0, SOCKADDR_VM_LENGTH).buffer
  const words = new Uint32Array(memory)
  if (new Uint16Array(memory)[FAMILY_INDEX] !== AF_VSOCK) return undefined
  return { cid: words[CID_INDEX] ?? 0, port: words[PORT_INDEX] ?? 0 }
}
