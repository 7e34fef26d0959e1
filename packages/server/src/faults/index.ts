/**
 * `@nbdjs/server/faults`: ways for the server to misbehave, so that a client can be tested against them. Give
 * them to a server by `faults`, or wrap its backends by `failing`; write more of them by the type `Fault`.
 */
export { changeCookie } from './change-cookie.js'
export { changeStatus, type StatusChange, type StatusMessage } from './change-status.js'
export { type CutOptions, cutAt } from './cut-at.js'
export { delay } from './delay.js'
export { type FailingOptions, failing, type RangeMethod } from './failing.js'
export type { ActiveFault, Fault, FaultLink, MessageFilter, MessageHead, OutgoingMessage } from './fault.js'
export { fragment } from './fragment.js'
export { reorder } from './reorder.js'
export { drop, rewrite } from './rewrite.js'
