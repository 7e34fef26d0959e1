export { type DialSocketOptions, dialSocket } from './dial-socket.js'
export { type ExchangeLineOptions, exchangeLine } from './exchange-line.js'
export type { OnReadOptions } from './on-read.js'
export { releaseSocket } from './release-socket.js'
export {
  type AcceptedOptions,
  acceptedConnection,
  type ReadingOptions,
  type SocketConnection,
  socketConnection,
} from './socket-connection.js'
export { checkSocketPath, maxPathLength } from './socket-path.js'
export { transportError } from './transport-error.js'
