/**
 * `@nbdjs/server/faults`: faults of a server, for tests of clients. Pass them to a server as `faults`, or wrap its backends
 * with `failBackend()`; write your own with the type `Fault`.
 *
 * @module
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
