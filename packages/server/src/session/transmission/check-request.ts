import { CommandFlag, cmdName, type ErrorName, TransmissionFlag, type U64 } from '@nbdjs/core/wire'
import type { Failure } from '../../backend/export-error.js'
import { hex } from '../../bytes.js'
import type { ExportSession } from '../export-session.js'
import type { Request } from '../message-format.js'
import { maxFilterLength } from './block-status.js'
import type { Command } from './commands.js'

/** The length of a chunk has 32 bits, and includes the 8 bytes of the offset. */
const MAX_CHUNK_DATA = 0xffffffff - 8

/** Checks a request before it is executed ("Error values", "Size constraints"). Returns the failure if it is rejected. */
export function checkRequest(
  request: Request,
  command: Command | undefined,
  session: ExportSession,
): Failure | undefined {
  if (command === undefined) {
    return fail('EINVAL', `${cmdName(request.type)}: this server does not support the command`)
  }
  // First, so that a read-only export always reports it.
  if (command.modifies && session.export.readOnly) {
    return fail('EPERM', `${cmdName(request.type)}: the export is read-only`)
  }
  if ((command.exposedBy & ~session.transmissionFlags) !== 0) {
    return fail('EINVAL', `${cmdName(request.type)}: the export does not offer the command`)
  }
  const known = ((command.flags | CommandFlag.Fua) & session.commandFlags) | payloadFlag(command, session)
  if ((request.flags & ~known) !== 0) return flagsFailure(request, known)
  if (command.needsContexts && session.contexts.length === 0) {
    return fail('EINVAL', `${cmdName(request.type)}: no metadata context is selected for the export`)
  }
  if (hasFilter(request, command)) return checkFilterLength(request, session)
  return command.range === 'none' ? checkNoRange(request) : checkRange(request, command, session)
}

/** Whether the payload contains the range. */
function hasFilter({ flags }: Request, command: Command): boolean {
  return command.needsContexts === true && (flags & CommandFlag.PayloadLen) !== 0
}

/** Checked before the payload is received, which bounds it. */
function checkFilterLength({ type, length }: Request, { contexts }: ExportSession): Failure | undefined {
  const limit = maxFilterLength(contexts)
  if (length <= limit) return undefined
  return fail('EINVAL', `${cmdName(type)}: expected a payload of at most ${limit} bytes, received ${length}`)
}

/** NBD_CMD_FLAG_PAYLOAD_LEN if the command may have it. */
function payloadFlag({ payloadExposedBy }: Command, { format, transmissionFlags }: ExportSession): number {
  if (payloadExposedBy === undefined || !format.request.hasPayloadFlag) return 0
  return (payloadExposedBy & ~transmissionFlags) === 0 ? CommandFlag.PayloadLen : 0
}

function flagsFailure({ type, flags }: Request, known: number): Failure {
  return fail('EINVAL', `${cmdName(type)}: expected flags within ${hex(known, 4)}, received ${hex(flags, 4)}`)
}

/** NBD_CMD_FLUSH: offset and length are reserved. */
function checkNoRange({ type, offset, length }: Request): Failure | undefined {
  if (offset === 0 && length === 0) return undefined
  return fail('EINVAL', `${cmdName(type)}: expected offset and length 0, received ${offset} and ${length}`)
}

/** Checks the range of a request that passed all other checks. */
export function checkRange(request: Request, command: Command, session: ExportSession): Failure | undefined {
  const { type, offset, length } = request
  const { size, blockSize } = session.export
  const { minimum, maximum } = blockSize
  if (endsBeyond(size, offset, length)) {
    const text = `${cmdName(type)} of ${length} bytes at ${offset}: the export ends at ${size}`
    return fail(command.beyondEnd, text)
  }
  if (minimum > 1 && !(isMultiple(offset, minimum) && isMultiple(length, minimum))) {
    const text = `${cmdName(type)} of ${length} bytes at ${offset}: expected multiples of the block size, ${minimum}`
    return fail('EINVAL', text)
  }
  const limit = Math.min(maximum, MAX_CHUNK_DATA)
  if (command.range === 'payload' && length > limit) {
    const text = `${cmdName(type)} of ${length} bytes: the maximum of the export is ${limit}`
    return fail(tooLong(command, session), text)
  }
  if (command.needsContexts && length === 0) {
    return fail('EINVAL', `${cmdName(type)}: expected a length of at least 1 byte, received 0`)
  }
  return undefined
}

/** Exact also for numbers that are no safe integers. */
function endsBeyond(size: U64, offset: U64, length: U64): boolean {
  if (typeof size === 'number' && typeof offset === 'number') return size - offset < length
  return BigInt(offset) + BigInt(length) > BigInt(size)
}

/** "Error values": EOVERFLOW only for a read, if NBD_CMD_FLAG_DF is supported. */
function tooLong(command: Command, { transmissionFlags }: ExportSession): ErrorName {
  const isRead = !command.modifies
  return isRead && (transmissionFlags & TransmissionFlag.SendDf) !== 0 ? 'EOVERFLOW' : 'EINVAL'
}

function isMultiple(value: U64, of: number): boolean {
  return typeof value === 'number' ? value % of === 0 : value % BigInt(of) === 0n
}

function fail(error: ErrorName, text: string): Failure {
  return { error, text }
}
