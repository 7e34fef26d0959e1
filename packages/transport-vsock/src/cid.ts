/**
 * The context identifiers (CIDs) that have a meaning of their own: vsock(7), VMADDR_CID_*. Every other CID is
 * that of a virtual machine.
 */
export const Cid: {
  /** Whatever answers: for listeners (VMADDR_CID_ANY). */
  readonly Any: 0xffffffff
  /** Reserved for the hypervisor's own services (VMADDR_CID_HYPERVISOR). */
  readonly Hypervisor: 0
  /** This machine itself, through the `vsock_loopback` module (VMADDR_CID_LOCAL). */
  readonly Local: 1
  /** The machine that runs this virtual machine (VMADDR_CID_HOST). */
  readonly Host: 2
} = { Any: 0xffffffff, Hypervisor: 0, Local: 1, Host: 2 }
