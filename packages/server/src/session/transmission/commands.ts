import { Cmd, CommandFlag, type ErrorName, TransmissionFlag } from '@nbdjs/core/wire'
import type { Awaitable, Backend } from '../../backend/backend.js'
import type { Failure } from '../../backend/export-error.js'
import type { SelectedContext } from '../../exports/meta-context.js'
import type { Request } from '../message-format.js'
import { type ContextExtents, queryExtents } from './block-status.js'

/** How one command is checked and carried out ("Request types"). */
export interface Command {
  /** Command flags that it knows, besides NBD_CMD_FLAG_FUA, which goes with all. */
  readonly flags: number
  /** The transmission flag that exposes it; 0 for what every export has. */
  readonly exposedBy: number
  /** Needs an export that is not read-only. */
  readonly modifies: boolean
  /** What offset and length are about. The length of a payload has a maximum, that of an effect has none. */
  readonly range: 'payload' | 'effect' | 'none'
  /** The error for a range that ends beyond the export ("Error values"). */
  readonly beyondEnd: ErrorName
  /**
   * The transmission flag that lets it have a payload by NBD_CMD_FLAG_PAYLOAD_LEN, with extended headers: 0 for what
   * every export has; undefined where it never has one.
   */
  readonly payloadExposedBy?: number
  /** It tells of the contexts that the client selected, of which there must be one. */
  readonly needsContexts?: true
  /** Calls the backend, which has the method: the command was checked. Returns what the backend does. */
  run(backend: Backend, request: Request, operands: Operands): unknown
}

/** What a command is about, besides its range. */
export interface Operands {
  /** The data of a write; empty for all others. */
  readonly payload: Uint8Array
  /** What a block status is to tell of; of no matter for all others. */
  readonly contexts: readonly SelectedContext[]
}

/**
 * The commands of a client. NBD_CMD_DISC is not here, for it is not answered; what else is not here is answered
 * by EINVAL.
 */
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
      // Not asked for: qemu's own client sends writes without NBD_CMD_FLAG_PAYLOAD_LEN.
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

/** A request, as its header tells it. */
export interface JobHead {
  /** Its length is that of the range, wherever the header told of that. */
  readonly request: Request
  /** Undefined only where there is a refusal. */
  readonly command: Command | undefined
  /** The answer, where it is known without asking the backend. */
  readonly refusal: Failure | undefined
}

/** A request that is complete and not yet answered. */
export interface Job extends JobHead {
  /** The data of a write; empty for all others. */
  payload: Uint8Array
  /** The payload lies in the input's staging area, where the next bytes will overwrite it. */
  isInPlace: boolean
  /** What a block status is to tell of. */
  readonly contexts: readonly SelectedContext[]
}
