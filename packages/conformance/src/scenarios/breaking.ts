import { NbdTransportError } from '@nbdjs/core'
import { check, checkSame, print } from '../conformance-error.js'
import { pattern } from '../pattern.js'
import type { Script } from '../scenario.js'
import type { Stage, StagedLink } from '../stage.js'
import { inBackground } from './background.js'
import { writeUntilFalse } from './writing.js'

/** Bytes that the peer leaves unread: some systems tell of a reset only then. */
const unread = 1024 * 1024

function checkBroken(error: Error | undefined): void {
  check(
    error instanceof NbdTransportError,
    `closed() got ${print(error)} after a reset, expected a NbdTransportError`,
  )
  check(
    ['read', 'write', 'close'].includes(error.operation),
    `operation of the error is ${print(error.operation)}, expected read, write or close`,
  )
  check(typeof error.errno === 'string', `the error has no errno: ${error.message}`)
}

async function resetWithBytesUnread(stage: Stage, { connection, peer }: StagedLink): Promise<void> {
  connection.write([pattern(unread, 1)])
  await stage.grace()
  peer.reset()
}

export const breaking: readonly Script<Stage>[] = [
  {
    name: 'closed: gets a NbdTransportError when the peer resets',
    play: async (stage) => {
      const link = await stage.startedLink()
      await resetWithBytesUnread(stage, link)
      checkBroken(await stage.waitFor('closed() after the reset', link.recorder.untilClosed()))
      link.connection.write([pattern(100, 2)])
      await stage.waitFor('close() to resolve after the reset', link.connection.close())
    },
  },
  {
    name: 'closed: comes when the peer resets while close() waits, which resolves',
    play: async (stage) => {
      const link = await stage.startedLink()
      link.connection.write([pattern(unread, 1)])
      const closing = link.connection.close()
      await stage.grace()
      link.peer.reset()
      await stage.waitFor('close() to resolve', closing)
      checkSame('calls of closed()', link.recorder.closedErrors.length, 1)
    },
  },
  {
    name: 'closed: comes when the peer resets while a write waits',
    timeLimitMs: 30_000,
    play: async (stage) => {
      const { connection, peer, recorder } = await stage.startedLink()
      writeUntilFalse(connection)
      peer.reset()
      checkBroken(await stage.waitFor('closed() after the reset', recorder.untilClosed()))
    },
  },
  {
    name: 'closed: comes once and is the last call, however the end comes about',
    play: async (stage) => {
      const { connection, peer, recorder } = await stage.startedLink()
      inBackground(peer.write(pattern(100_000, 1)))
      await stage.waitFor(
        'a byte',
        recorder.until(() => recorder.receivedLength > 0),
      )
      const closing = connection.close()
      peer.reset()
      connection.destroy()
      inBackground(connection.close())
      await stage.waitFor('close() to resolve', closing)
      await stage.waitFor('closed()', recorder.untilClosed())
      await stage.grace()
      checkSame('calls of closed()', recorder.closedErrors.length, 1)
      checkSame('the last call', recorder.calls.at(-1), 'closed')
      recorder.check()
    },
  },
  {
    name: 'closed: comes after start() when the peer reset before it',
    play: async (stage) => {
      const link = await stage.link()
      link.peer.reset()
      await stage.grace()
      const recorder = stage.start(link.connection)
      // Some systems tell of it only when one writes.
      await stage.grace()
      if (!recorder.isClosed) link.connection.write([pattern(100, 1)])
      if (!recorder.isClosed) inBackground(link.connection.close())
      await stage.waitFor('closed() after start()', recorder.untilClosed())
    },
  },
  {
    name: 'errors: none goes unhandled, before start() and after destroy()',
    play: async (stage) => {
      const reset = await stage.link()
      reset.peer.reset()
      const destroyed = await stage.link()
      destroyed.connection.destroy(new Error('destroyed by the suite before start()'))
      const used = await stage.startedLink()
      await resetWithBytesUnread(stage, used)
      used.connection.write([pattern(unread, 2)])
      used.recorder.destroy(used.connection, new Error('destroyed by the suite after a reset'))
      inBackground(used.peer.write(pattern(1000, 3)))
      used.connection.write([pattern(1000, 4)])
      inBackground(destroyed.peer.write(pattern(1000, 5)))
      await stage.grace(3)
    },
  },
]
