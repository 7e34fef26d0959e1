import { Handle, type HandleOptions } from '@nbdjs/core'
import {
  Cmd,
  ErrorValue,
  encodeErrorChunk,
  encodeExportNameReply,
  encodeInfoText,
  encodeOffsetData,
  encodeOffsetHole,
  Info,
  Opt,
  ReplyFlag,
} from '@nbdjs/core/wire'
import { repeated } from '../bytes.js'
import { EVERYTHING, ScriptedServer, SIZE } from './scripted-server.js'
import { settled } from './settle-promises.js'

/** What the server sends, once it has received so many bytes in all. */
interface Step {
  readonly after: number
  readonly bytes: Uint8Array
}

export interface Session {
  readonly options: HandleOptions
  /** Plays the server's part. */
  readonly serve: (server: ScriptedServer) => Promise<void>
}

const { Done } = ReplyFlag

/** All that a server with structured replies can say: text, data, a hole, and an error in between. */
export const fixedNewstyle: Session = {
  options: { exportName: 'disk', fullInfo: true },
  serve: async (server) => {
    await server.handshake({ structuredReplies: true, infos: [encodeInfoText(Info.Description, 'a disk')] })
    for (let left = 5; left > 0; left--) {
      const request = await server.nextRequest()
      const { type, length } = request
      if (type === Cmd.Read) {
        const offset = Number(request.offset)
        server.send(encodeOffsetHole(request, 0, offset + length - 4, 4))
        server.send(encodeOffsetData(request, Done, offset, length - 4), repeated(7, length - 4))
      } else if (type === Cmd.Trim) {
        server.send(encodeErrorChunk(request, Done, { value: ErrorValue.EIO, message: 'bad', offset: 0 }))
      } else {
        server.answer(request)
      }
    }
    await server.request(Cmd.Disc)
    server.endOfFile()
  },
}

/** The shortest way: plain newstyle, NBD_OPT_EXPORT_NAME, simple replies. */
export const plainNewstyle: Session = {
  options: { exportName: 'disk' },
  serve: async (server) => {
    await server.greet(0)
    await server.option(Opt.ExportName)
    server.send(encodeExportNameReply({ size: SIZE, transmissionFlags: EVERYTHING }, false))
    for (let left = 5; left > 0; left--) {
      const request = await server.nextRequest()
      if (request.type === Cmd.Read) server.answer(request, repeated(7, request.length))
      else if (request.type === Cmd.Trim) server.refuse(request, ErrorValue.EIO)
      else server.answer(request)
    }
    await server.request(Cmd.Disc)
    server.endOfFile()
  },
}

/** What came of every call of one client's life. */
export interface Life {
  readonly handle: Handle
  /** What each call that was made came to, by name. */
  readonly outcomes: Readonly<Record<string, PromiseSettledResult<unknown>>>
  /** The number of events for the end of the handle. */
  readonly ends: number
  /** Memory around that of preadInto: 8 bytes on each side. */
  readonly around: Uint8Array
}

/** The client's part: connects, has five commands in flight at once, shuts down. Settles when everything has. */
export async function live(options: HandleOptions, server: ScriptedServer): Promise<Life> {
  const handle = new Handle(options)
  const around = repeated(0xee, 8 + 64 + 8)
  let ends = 0
  handle.on('close', () => ends++)
  handle.on('dead', () => ends++)
  const outcomes: Record<string, PromiseSettledResult<unknown>> = {}
  const call = async (name: string, promise: Promise<unknown>): Promise<void> => {
    const [outcome] = await Promise.allSettled([promise])
    outcomes[name] = outcome
  }
  await call('connect', handle.connect(server.transport))
  if (handle.state === 'ready') {
    await Promise.all([
      call('pread', handle.pread(64, 512)),
      call('preadInto', handle.preadInto(around.subarray(8, 72), 0)),
      call('pwrite', handle.pwrite(repeated(1, 32), 0)),
      call('trim', handle.trim(512, 0)),
      call('flush', handle.flush()),
    ])
  }
  if (handle.state === 'ready') await call('shutdown', handle.shutdown())
  await call('closed', handle.closed)
  return { handle, outcomes, ends, around }
}

/** Plays a session, and writes down what the server sends and when. */
export async function record({ options, serve }: Session): Promise<readonly Step[]> {
  const server = new ScriptedServer()
  const steps: Step[] = []
  const send = server.send.bind(server)
  server.send = (...chunks) => {
    for (const bytes of chunks) steps.push({ after: server.bytesFromClient, bytes: bytes.slice() })
    send(...chunks)
  }
  await Promise.all([live(options, server), serve(server)])
  return steps
}

export interface Replay {
  /** Send so many bytes at a time. Default: as they were recorded. */
  readonly pieceLength?: number
  /** Stop after so many bytes. */
  readonly cut?: number
  /** Change the bytes before they are sent: `at` is their place in the whole. */
  readonly change?: (octet: number, at: number) => number
  /** How to end after the last byte. */
  readonly end: 'endOfFile' | 'reset'
}

/** Sends what was recorded as far as the client goes along, and ends. */
export async function replay(server: ScriptedServer, steps: readonly Step[], how: Replay): Promise<void> {
  const { cut = Number.POSITIVE_INFINITY, change = (octet) => octet } = how
  await server.dialled()
  let sent = 0
  for (const { after, bytes } of steps) {
    if (server.bytesFromClient < after) await settled()
    if (server.bytesFromClient < after || server.end !== undefined) break
    const due = bytes.subarray(0, cut - sent).map((octet, at) => change(octet, sent + at))
    const pieceLength = how.pieceLength ?? Math.max(1, due.length)
    for (let at = 0; at < due.length; at += pieceLength) server.send(due.subarray(at, at + pieceLength))
    sent += due.length
  }
  await settled()
  server[how.end]()
}

export function lengthOf(steps: readonly Step[]): number {
  return steps.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
