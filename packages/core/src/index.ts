export {
  type Errno,
  NbdClosedError,
  NbdError,
  type NbdErrorCode,
  type NbdErrorDetails,
  NbdNegotiationError,
  type NbdNegotiationErrorDetails,
  NbdProtocolError,
  type NbdProtocolErrorDetails,
  NbdServerError,
  type NbdServerErrorDetails,
  NbdStateError,
  NbdTransportError,
  type NbdTransportErrorDetails,
  NbdUsageError,
} from './errors.js'
export { type Connection, type DialOptions, deliver, type Receiver, type Transport } from './transport.js'
