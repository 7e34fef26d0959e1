import {
  CommandFlag,
  cmdName,
  distance,
  type ErrorName,
  hex,
  type Request,
  TransmissionFlag,
} from '@nbdjs/core/wire'
import type { Failure } from '../../backend/failure.js'
import type { Command } from './commands.js'
import type { Served } from './served.js'

/** Why a request is not even tried ("Error values", "Size constraints"), or undefined when it is. */
export function refusalOf(
  request: Request,
  command: Command | undefined,
  served: Served,
): Failure | undefined {
  if (command === undefined)
    return refuse('EINVAL', `${cmdName(request.type)}: this server does not know the command`)
  // Before anything else, so that a read-only export always says so.
  if (command.modifies && served.export.readOnly) {
    return refuse('EPERM', `${cmdName(request.type)}: the export is read-only`)
  }
  if ((command.exposedBy & ~served.transmissionFlags) !== 0) {
    return refuse('EINVAL', `${cmdName(request.type)}: the export does not offer the command`)
  }
  const known = (command.flags | CommandFlag.Fua) & served.commandFlags
  if ((request.flags & ~known) !== 0) return refuseFlags(request, known)
  return command.range === 'none' ? refusalOfNoRange(request) : refusalOfRange(request, command, served)
}

function refuseFlags({ type, flags }: Request, known: number): Failure {
  const text = `${cmdName(type)}: expected no flags but ${hex(known, 4)}, received ${hex(flags, 4)}`
  return refuse('EINVAL', text)
}

/** NBD_CMD_FLUSH: offset and length are reserved. */
function refusalOfNoRange({ type, offset, length }: Request): Failure | undefined {
  if (offset === 0 && length === 0) return undefined
  return refuse('EINVAL', `${cmdName(type)}: expected offset and length 0, received ${offset} and ${length}`)
}

function refusalOfRange(request: Request, command: Command, served: Served): Failure | undefined {
  const { type, offset, length } = request
  const { size, blockSize } = served.export
  const { minimum, maximum } = blockSize
  if (distance(size, offset) < length) {
    const text = `${cmdName(type)} of ${length} bytes at ${offset}: the export ends at ${size}`
    return refuse(command.beyondEnd, text)
  }
  if (minimum > 1 && !(isMultiple(offset, minimum) && isMultiple(length, minimum))) {
    const text = `${cmdName(type)} of ${length} bytes at ${offset}: expected multiples of the block size, ${minimum}`
    return refuse('EINVAL', text)
  }
  if (command.range === 'payload' && length > maximum) {
    const text = `${cmdName(type)} of ${length} bytes: the maximum of the export is ${maximum}`
    return refuse(tooLong(command, served), text)
  }
  return undefined
}

/** "Error values": EOVERFLOW only to a read where NBD_CMD_FLAG_DF is supported. */
function tooLong(command: Command, { transmissionFlags }: Served): ErrorName {
  const isRead = !command.modifies
  return isRead && (transmissionFlags & TransmissionFlag.SendDf) !== 0 ? 'EOVERFLOW' : 'EINVAL'
}

function isMultiple(value: Request['offset'], of: number): boolean {
  return typeof value === 'number' ? value % of === 0 : value % BigInt(of) === 0n
}

function refuse(error: ErrorName, text: string): Failure {
  return { error, text }
}
