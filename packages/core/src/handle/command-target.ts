import type { ReadChunk } from '../machine/transmission/read-chunk.js'
import type { U64 } from '../wire/u64.js'
import {
  type CommandOptions,
  checkBytes,
  checkFunction,
  checkLength,
  checkRangeLength,
  isShared,
} from './arguments.js'
import type { CommandRule } from './command-rules.js'
import type { PendingInit } from './pending-command.js'

/** What a command moves: how much, from where or to where. */
export type Target = Omit<PendingInit, 'type' | 'name' | 'flags' | 'offset'>

/**
 * Checks what the caller gave, and makes a target of it. A function of its own for each kind and no closure, for it
 * runs once per command.
 */
export type TargetOf<Subject> = (
  rule: CommandRule,
  subject: Subject,
  offset: U64,
  options: CommandOptions | undefined,
) => Target

/** So many bytes, into memory that is made for them. */
export const ofLength: TargetOf<number> = ({ name }, length) => ({ length: checkLength(name, length) })

/** So many bytes that do not travel. */
export const ofRange: TargetOf<number | bigint> = ({ name }, length) => ({
  length: checkRangeLength(name, length),
})

/** No bytes in particular. */
export const ofWhole: TargetOf<undefined> = () => ({ length: 0 })

/** Into the caller's memory, which cannot be lent to the connection where the caller may take it back. */
export const intoBuffer: TargetOf<Uint8Array> = ({ name }, buffer, _offset, options) => {
  const destination = checkBytes(name, 'buffer', buffer)
  const lendable = options?.signal === undefined && !isShared(destination)
  return { length: destination.length, destination, lendable }
}

/** The caller's memory, and who is told of each chunk. */
export interface ChunkedRead {
  readonly buffer: Uint8Array
  readonly onChunk: (chunk: ReadChunk) => void
}

export const intoChunks: TargetOf<ChunkedRead> = (rule, { buffer, onChunk }, offset, options) => {
  const target = intoBuffer(rule, buffer, offset, options)
  checkFunction(rule.name, 'onChunk', onChunk)
  return { ...target, wantsChunks: true, onChunk }
}

/** From the caller's memory. Of memory that others may change meanwhile, a copy is taken. */
export const fromData: TargetOf<Uint8Array> = ({ name }, data) => {
  const bytes = checkBytes(name, 'data', data)
  return { length: bytes.length, data: isShared(bytes) ? new Uint8Array(bytes) : bytes }
}
