/**
 * `@nbdjs/core/wire`: the bytes of NBD and the values they stand for, in both directions. Pure functions,
 * for authors of servers, proxies and dissectors.
 */
export * from './block-status.js'
export * from './bytes.js'
export * from './constants.js'
export * from './constants.js'
export * from './constants.js'
export * from './constants.js'
export * from './constants.js'
export * from './greeting.js'
export * from './option-reply.js'
export * from './option-request.js'
export * from './reply.js'
export * from './request.js'
export * from './text.js'
export * from './u64.js'
