/**
 * `@nbdjs/server/faults`: ways for the server to misbehave, so that a client can be tested against them. Give
 * them to a server by `faults`, or wrap its backends by `failBackend`; write more of them by the type `Fault`.
 */

export { type CutOptions, cutAt, delay, reorder } from './delivery-faults.js'
export { type FailBackendOptions, failBackend, type RangeMethod } from './fail-backend.js'
export type { ActiveFault, Fault, FaultLink, MessageFilter, MessageHead, OutgoingMessage } from './fault.js'
export {
  changeCookie,
  changeStatus,
  drop,
  fragment,
  rewrite,
  type StatusChange,
  type StatusMessage,
} from './message-faults.js'
