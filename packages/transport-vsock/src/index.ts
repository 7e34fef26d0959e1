/** NBD over AF_VSOCK, and over the unix socket that some virtual machine monitors offer instead. */
export { Cid, NitroParentCid } from './address.js'
export { hybridVsock } from './hybrid-vsock.js'
export { localCid } from './local-cid.js'
export { supportsVsock } from './platform.js'
export { type VsockOptions, vsock } from './vsock.js'
