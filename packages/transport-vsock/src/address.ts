import { type Option, option } from '@nbdjs/core'

/**
 * The context identifiers (CIDs) with a fixed meaning: vsock(7), VMADDR_CID_*. Every other CID is that of a virtual
 * machine.
 */
export const Cid: {
  /** Any CID, for listeners (VMADDR_CID_ANY). */
  readonly Any: 0xffffffff
  /** Reserved for the hypervisor's own services (VMADDR_CID_HYPERVISOR). */
  readonly Hypervisor: 0
  /** This machine itself, by the kernel module `vsock_loopback` (VMADDR_CID_LOCAL). */
  readonly Local: 1
  /** The machine that runs this virtual machine (VMADDR_CID_HOST). */
  readonly Host: 2
} = { Any: 0xffffffff, Hypervisor: 0, Local: 1, Host: 2 }

/** The CID of the virtual machine that started an AWS Nitro enclave, seen from inside the enclave. */
export const NitroParentCid = 3

/** The address of a peer: vsock(7). */
export interface VsockAddress {
  readonly cid: number
  readonly port: number
  /** Whether the host routes the connection: VMADDR_FLAG_TO_HOST. */
  readonly toHost?: boolean | undefined
}

/** `vsock://2:10809`: an address for messages. */
export function formatVsockAddress({ cid, port }: VsockAddress): string {
  return `vsock://${cid}:${port}`
}

/** The rule for a CID or a port. */
export const uint32: Option<number> = option.required(option.integer({ min: 0, max: 0xffffffff }))
