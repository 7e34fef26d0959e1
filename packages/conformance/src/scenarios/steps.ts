import type { Connection } from '@nbdjs/core'
import { pattern, totalLength } from '../bytes.js'
import { check, checkSame } from '../checks.js'
import type { FixtureLink } from '../fixture.js'
import type { Recorder } from '../recorder.js'

export const KiB = 1024
export const MiB: number = 1024 * KiB

/** More bytes than the buffers of any path hold. */
export const beyondAnyPath: number = 256 * MiB

/** Ignores the failure of work that runs beside a scenario and may fail because the connection is broken on purpose. */
export function inBackground(work: Promise<unknown>): void {
  work.catch(() => {})
}

/** Writes until `write()` returns false, then once more. Returns all written chunks. */
export function writeUntilFalse(connection: Connection): Uint8Array[] {
  const written: Uint8Array[] = []
  const piece = pattern(64 * KiB, 5)
  for (let length = 0; length < beyondAnyPath; length += piece.length) {
    written.push(piece)
    if (connection.write([piece])) continue
    written.push(pattern(1000, 6))
    connection.write(written.slice(-1))
    return written
  }
  check(
    false,
    `write() never returned false: ${beyondAnyPath} bytes were written while the peer did not read`,
  )
}

export function checkClosedInOrder(recorder: Recorder): void {
  checkSame('the error of closed()', recorder.closedErrors[0], undefined)
  checkSame('the last call', recorder.calls.at(-1), 'closed')
  checkSame('the number of calls of closed()', recorder.closedErrors.length, 1)
}

/** The calls of a receiver inside which `close()` and `destroy()` must be safe. */
export const receiverCalls = ['received', 'drained', 'ended', 'closed'] as const

export type ReceiverCall = (typeof receiverCalls)[number]

/** Makes a connection call its receiver. */
export const triggers: { readonly [Call in ReceiverCall]: (link: FixtureLink) => void } = {
  received: ({ peer }) => inBackground(peer.write(pattern(64 * KiB, 1))),
  drained: ({ connection, reader }) => inBackground(reader.take(totalLength(writeUntilFalse(connection)))),
  ended: ({ peer }) => inBackground(peer.end()),
  closed: ({ connection, peer, reader }) => {
    inBackground(connection.close())
    inBackground(reader.takeToEnd())
    inBackground(peer.end())
  },
}

/** The option of a recorder that is called inside that call. */
export const hooks = {
  received: 'onReceived',
  drained: 'onDrained',
  ended: 'onEnded',
  closed: 'onClosed',
} as const
