/** NBD over AF_VSOCK, and over the unix socket that some virtual machine monitors offer in its stead. */
export { Cid } from './cid.js'
export { hybridVsock } from './hybrid-vsock.js'
export { localCid } from './local-cid.js'
export { supportsVsock } from './supports-vsock.js'
export { vsock } from './vsock.js'
export type { VsockOptions } from './vsock-options.js'
