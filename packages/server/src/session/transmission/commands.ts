import { Cmd, CommandFlag, type ErrorName, TransmissionFlag } from '@nbdjs/core/wire'
import type { Awaitable, Backend } from '../../backend/backend.js'
import type { Failure } from '../../backend/export-error.js'
import type { SelectedContext } from '../../exports.js'
import type { Request } from '../message-format.js'
import { type ContextExtents, queryExtents } from './block-status.js'

/** How one command is checked and executed ("Request types"). */
export interface Command {
  /** The command flags that it supports, besides NBD_CMD_FLAG_FUA, which every command supports. */
  readonly flags: number
  /** The transmission flag that exposes it; 0 if every export has it. */
  readonly exposedBy: number
  /** Whether it needs an export that is not read-only. */
  readonly modifies: boolean
  /** The meaning of offset and length. A payload has a maximum length, an effect has none. */
  readonly range: 'payload' | 'effect' | 'none'
  /** The error for a range that ends beyond the export ("Error values"). */
  readonly beyondEnd: ErrorName
  /**
   * The transmission flag that allows a payload by NBD_CMD_FLAG_PAYLOAD_LEN, with extended headers; 0 if every export
   * allows it, undefined if the command never has one.
   */
  readonly payloadExposedBy?: number
  /** Whether it needs a selected metadata context. */
  readonly needsContexts?: true
  /** Calls the backend, which has the method: the command was checked. Returns the result of the backend. */
  run(backend: Backend, request: Request, operands: Operands): unknown
}

/** The operands of a command besides its range. */
export interface Operands {
  /** The data of a write; empty for all others. */
  readonly payload: Uint8Array
  /** The contexts of a block status. */
  readonly contexts: readonly SelectedContext[]
}

/** A request as its header describes it. */
export interface JobHead {
  /** Its length is that of the range, also if the header has the length of a payload. */
  readonly request: Request
  /** Undefined only if there is a failure. */
  readonly command: Command | undefined
  /** The reply, if it is known without asking the backend. */
  readonly failure: Failure | undefined
}

/** A request that is complete and not yet answered. */
export interface Job extends JobHead {
  /** The data of a write; empty for all others. */
  payload: Uint8Array
  /** Whether the payload lies in the staging area of the input, where the next bytes will overwrite it. */
  isInPlace: boolean
  /** The contexts of a block status. */
  readonly contexts: readonly SelectedContext[]
}

/** All commands but NBD_CMD_DISC, which has no reply. A command that is missing here is answered with EINVAL. */
const commands: readonly (Command | undefined)[] = table([
  [
    Cmd.Read,
    {
      flags: CommandFlag.Df,
      exposedBy: 0,
      modifies: false,
      range: 'payload',
      beyondEnd: 'EINVAL',
      run: (backend, { length, offset }) => backend.read(Number(length), offset),
    },
  ],
  [
    Cmd.Write,
    {
      flags: 0,
      exposedBy: 0,
      modifies: true,
      range: 'payload',
      beyondEnd: 'ENOSPC',
      // Not required: qemu 10 sends writes without NBD_CMD_FLAG_PAYLOAD_LEN.
      payloadExposedBy: 0,
      run: (backend, { flags, offset }, { payload }) =>
        withFua(backend, flags, backend.write?.(payload, offset, { fua: isSet(flags, CommandFlag.Fua) })),
    },
  ],
  [
    Cmd.Flush,
    {
      flags: 0,
      exposedBy: TransmissionFlag.SendFlush,
      modifies: false,
      range: 'none',
      beyondEnd: 'EINVAL',
      run: (backend) => backend.flush?.(),
    },
  ],
  [
    Cmd.Trim,
    {
      flags: 0,
      exposedBy: TransmissionFlag.SendTrim,
      modifies: true,
      range: 'effect',
      beyondEnd: 'EINVAL',
      run: (backend, { flags, length, offset }) =>
        withFua(backend, flags, backend.trim?.(length, offset, { fua: isSet(flags, CommandFlag.Fua) })),
    },
  ],
  [
    Cmd.Cache,
    {
      flags: 0,
      exposedBy: TransmissionFlag.SendCache,
      modifies: false,
      range: 'effect',
      beyondEnd: 'EINVAL',
      run: (backend, { length, offset }) => backend.cache?.(length, offset),
    },
  ],
  [
    Cmd.WriteZeroes,
    {
      flags: CommandFlag.NoHole | CommandFlag.FastZero,
      exposedBy: TransmissionFlag.SendWriteZeroes,
      modifies: true,
      range: 'effect',
      beyondEnd: 'ENOSPC',
      run: (backend, { flags, length, offset }) =>
        withFua(backend, flags, zero(backend, flags, length, offset)),
    },
  ],
  [
    Cmd.BlockStatus,
    {
      flags: CommandFlag.ReqOne,
      exposedBy: 0,
      modifies: false,
      range: 'effect',
      beyondEnd: 'EINVAL',
      payloadExposedBy: TransmissionFlag.BlockStatusPayload,
      needsContexts: true,
      run: (_backend, { length, offset }, { contexts }): Awaitable<ContextExtents[]> =>
        queryExtents(contexts, length, offset),
    },
  ],
])

export function findCommand(type: number): Command | undefined {
  return commands[type]
}

function table(rows: readonly (readonly [Cmd, Command])[]): (Command | undefined)[] {
  const byCode: (Command | undefined)[] = new Array(8).fill(undefined)
  for (const [code, command] of rows) byCode[code] = command
  return byCode
}

function zero(
  backend: Backend,
  flags: number,
  length: Request['length'],
  offset: Request['offset'],
): Awaitable<void> | undefined {
  return backend.zero?.(length, offset, {
    fua: isSet(flags, CommandFlag.Fua),
    noHole: isSet(flags, CommandFlag.NoHole),
    fastZero: isSet(flags, CommandFlag.FastZero),
  })
}

/** "Command flags": with NBD_CMD_FLAG_FUA, the reply waits until the data is on stable storage. */
function withFua(
  backend: Backend,
  flags: number,
  done: Awaitable<void> | undefined,
): Awaitable<void> | undefined {
  if (!isSet(flags, CommandFlag.Fua) || backend.canFua === true) return done
  return done === undefined ? backend.flush?.() : Promise.resolve(done).then(() => backend.flush?.())
}

function isSet(flags: number, flag: number): boolean {
  return (flags & flag) !== 0
}
