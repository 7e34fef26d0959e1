/** A Node socket as a connection of nbdjs: what the socket transports, the TLS provider and the server share. */
export { type DialSocketOptions, dialSocket, socketReady } from './dial-socket.js'
export { type ExchangeLineOptions, exchangeLine } from './exchange-line.js'
export {
  type AcceptedOptions,
  acceptedConnection,
  type ReadingOptions,
  releaseSocket,
  type SocketConnection,
  socketConnection,
} from './socket-connection.js'
export { checkSocketPath, maxPathLength } from './socket-path.js'
export type { OnReadOptions } from './socket-reader.js'
export { transportError } from './transport-error.js'
