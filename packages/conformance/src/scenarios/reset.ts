import { NbdTransportError } from '@nbdjs/core'
import { pattern } from '../bytes.js'
import { check, checkSame, print } from '../checks.js'
import type { Fixture, StartedLink } from '../fixture.js'
import type { ScenarioBody } from '../scenario.js'
import { inBackground, MiB, writeUntilFalse } from './steps.js'

function checkResetError(error: Error | undefined): void {
  check(
    error instanceof NbdTransportError,
    `the error of closed() after a reset: expected a NbdTransportError, received ${print(error)}`,
  )
  check(
    ['read', 'write', 'close'].includes(error.operation),
    `error.operation: expected "read", "write" or "close", received ${print(error.operation)}`,
  )
  check(
    typeof error.errno === 'string',
    `error.errno: expected a name such as ECONNRESET, received undefined`,
  )
}

/** Writes more than the peer reads: some systems report a reset only if bytes are unread. */
async function writeUnread(fixture: Fixture, { connection, reader }: StartedLink): Promise<void> {
  connection.write([pattern(MiB, 1)])
  await fixture.waitFor('the first byte at the peer', reader.take(1))
}

export const resetScenarios: readonly ScenarioBody<Fixture>[] = [
  {
    name: 'closed: gets a NbdTransportError if the peer resets',
    run: async (fixture) => {
      const link = await fixture.startedLink()
      await writeUnread(fixture, link)
      link.peer.reset()
      checkResetError(await fixture.waitFor('closed() after the reset', link.recorder.untilClosed()))
      link.connection.write([pattern(100, 2)])
      await fixture.waitFor('close() to resolve after the reset', link.connection.close())
    },
  },
  {
    name: 'closed: is called if the peer resets during close(), which resolves',
    run: async (fixture) => {
      const link = await fixture.startedLink()
      const unread = writeUnread(fixture, link)
      const closing = link.connection.close()
      await unread
      link.peer.reset()
      await fixture.waitFor('close() to resolve', closing)
      checkSame('the number of calls of closed()', link.recorder.closedErrors.length, 1)
    },
  },
  {
    name: 'closed: is called if the peer resets while a write is pending',
    run: async (fixture) => {
      const { connection, peer, recorder } = await fixture.startedLink()
      writeUntilFalse(connection)
      peer.reset()
      checkResetError(await fixture.waitFor('closed() after the reset', recorder.untilClosed()))
    },
  },
  {
    name: 'closed: is the last call and comes once, whatever ends the connection',
    run: async (fixture) => {
      const { connection, peer, recorder } = await fixture.startedLink()
      inBackground(peer.write(pattern(100_000, 1)))
      await fixture.waitFor('a byte', recorder.untilReceived(1))
      const closing = connection.close()
      peer.reset()
      connection.destroy()
      inBackground(connection.close())
      await fixture.waitFor('close() to resolve', closing)
      await fixture.waitFor('closed()', recorder.untilClosed())
      await fixture.quiet()
      checkSame('the number of calls of closed()', recorder.closedErrors.length, 1)
      checkSame('the last call', recorder.calls.at(-1), 'closed')
      recorder.check()
    },
  },
  {
    name: 'closed: is called after start() if the peer reset before',
    run: async (fixture) => {
      const link = await fixture.link()
      link.peer.reset()
      await fixture.quiet()
      const recorder = fixture.start(link.connection)
      // Some systems report it only after a write.
      await fixture.quiet()
      if (!recorder.isClosed) link.connection.write([pattern(100, 1)])
      if (!recorder.isClosed) inBackground(link.connection.close())
      await fixture.waitFor('closed() after start()', recorder.untilClosed())
    },
  },
  {
    name: 'errors: none is unhandled, before start() and after destroy()',
    run: async (fixture) => {
      const reset = await fixture.link()
      reset.peer.reset()
      const destroyed = await fixture.link()
      destroyed.connection.destroy(new Error('destroyed by the suite before start()'))
      const used = await fixture.startedLink()
      await writeUnread(fixture, used)
      used.peer.reset()
      used.connection.write([pattern(MiB, 2)])
      used.recorder.destroy(used.connection, new Error('destroyed by the suite after a reset'))
      inBackground(used.peer.write(pattern(1000, 3)))
      used.connection.write([pattern(1000, 4)])
      inBackground(destroyed.peer.write(pattern(1000, 5)))
      await fixture.quiet(3)
    },
  },
]
