/** NBD with a server that the client starts, and over a socket that is open already. */
export { command } from './command.js'
export { fd } from './fd.js'
export type { ProcessOptions, SocketActivationOptions, Subprocess } from './process-options.js'
export { socketActivation } from './socket-activation.js'
