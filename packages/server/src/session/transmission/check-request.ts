import { CommandFlag, cmdName, type ErrorName, hex, TransmissionFlag, type U64 } from '@nbdjs/core/wire'
import type { Failure } from '../../backend/export-error.js'
import type { ExportSession } from '../export-session.js'
import type { Request } from '../message-format.js'
import { maxFilterLength } from './block-status.js'
import type { Command } from './commands.js'

/** The length of a chunk has 32 bits, and counts the 8 bytes of the offset too. */
const LONGEST_CONTENT = 0xffffffff - 8

/** Why a request is not even tried ("Error values", "Size constraints"), or undefined when it is. */
export function checkRequest(
  request: Request,
  command: Command | undefined,
  exportSession: ExportSession,
): Failure | undefined {
  if (command === undefined)
    return refuse('EINVAL', `${cmdName(request.type)}: this server does not know the command`)
  // Before anything else, so that a read-only export always says so.
  if (command.modifies && exportSession.export.readOnly) {
    return refuse('EPERM', `${cmdName(request.type)}: the export is read-only`)
  }
  if ((command.exposedBy & ~exportSession.transmissionFlags) !== 0) {
    return refuse('EINVAL', `${cmdName(request.type)}: the export does not offer the command`)
  }
  const known =
    ((command.flags | CommandFlag.Fua) & exportSession.commandFlags) | payloadFlag(command, exportSession)
  if ((request.flags & ~known) !== 0) return refuseFlags(request, known)
  if (command.needsContexts && exportSession.contexts.length === 0) {
    return refuse('EINVAL', `${cmdName(request.type)}: no metadata context is selected for the export`)
  }
  if (hasFilter(request, command)) return checkFilterLength(request, exportSession)
  return command.range === 'none' ? checkNoRange(request) : checkRange(request, command, exportSession)
}

/** Whether the range is told by the payload, which is yet to come. */
function hasFilter({ flags }: Request, command: Command): boolean {
  return command.needsContexts === true && (flags & CommandFlag.PayloadLen) !== 0
}

/** Before the payload is received, so that nobody can have much received. */
function checkFilterLength({ type, length }: Request, { contexts }: ExportSession): Failure | undefined {
  const most = maxFilterLength(contexts)
  if (length <= most) return undefined
  return refuse('EINVAL', `${cmdName(type)}: expected a payload of at most ${most} bytes, received ${length}`)
}

/** NBD_CMD_FLAG_PAYLOAD_LEN, where the command may have it. */
function payloadFlag({ payloadExposedBy }: Command, { format, transmissionFlags }: ExportSession): number {
  if (payloadExposedBy === undefined || !format.request.hasPayloadFlag) return 0
  return (payloadExposedBy & ~transmissionFlags) === 0 ? CommandFlag.PayloadLen : 0
}

function refuseFlags({ type, flags }: Request, known: number): Failure {
  const text = `${cmdName(type)}: expected no flags but ${hex(known, 4)}, received ${hex(flags, 4)}`
  return refuse('EINVAL', text)
}

/** NBD_CMD_FLUSH: offset and length are reserved. */
function checkNoRange({ type, offset, length }: Request): Failure | undefined {
  if (offset === 0 && length === 0) return undefined
  return refuse('EINVAL', `${cmdName(type)}: expected offset and length 0, received ${offset} and ${length}`)
}

/** What is wrong with what it is about, given that all else is right. */
export function checkRange(
  request: Request,
  command: Command,
  exportSession: ExportSession,
): Failure | undefined {
  const { type, offset, length } = request
  const { size, blockSize } = exportSession.export
  const { minimum, maximum } = blockSize
  if (endsBeyond(size, offset, length)) {
    const text = `${cmdName(type)} of ${length} bytes at ${offset}: the export ends at ${size}`
    return refuse(command.beyondEnd, text)
  }
  if (minimum > 1 && !(isMultiple(offset, minimum) && isMultiple(length, minimum))) {
    const text = `${cmdName(type)} of ${length} bytes at ${offset}: expected multiples of the block size, ${minimum}`
    return refuse('EINVAL', text)
  }
  const most = Math.min(maximum, LONGEST_CONTENT)
  if (command.range === 'payload' && length > most) {
    const text = `${cmdName(type)} of ${length} bytes: the maximum of the export is ${most}`
    return refuse(tooLong(command, exportSession), text)
  }
  if (command.needsContexts && length === 0) {
    return refuse('EINVAL', `${cmdName(type)}: expected a length of at least 1 byte, received 0`)
  }
  return undefined
}

/** Exact where the numbers are no safe integers, too. */
function endsBeyond(size: U64, offset: U64, length: U64): boolean {
  if (typeof size === 'number' && typeof offset === 'number') return size - offset < length
  return BigInt(offset) + BigInt(length) > BigInt(size)
}

/** "Error values": EOVERFLOW only to a read where NBD_CMD_FLAG_DF is supported. */
function tooLong(command: Command, { transmissionFlags }: ExportSession): ErrorName {
  const isRead = !command.modifies
  return isRead && (transmissionFlags & TransmissionFlag.SendDf) !== 0 ? 'EOVERFLOW' : 'EINVAL'
}

function isMultiple(value: U64, of: number): boolean {
  return typeof value === 'number' ? value % of === 0 : value % BigInt(of) === 0n
}

function refuse(error: ErrorName, text: string): Failure {
  return { error, text }
}
