import { check, checkSame } from '../conformance-error.js'
import { pattern } from '../pattern.js'
import type { Script } from '../scenario.js'
import type { Stage } from '../stage.js'
import { inBackground } from './background.js'
import { type CallName, callNames, hooks, triggers } from './trigger.js'
import { writeUntilFalse } from './writing.js'

const roundsOfRelease = 10

function destroyInside(name: CallName): Script<Stage> {
  return {
    name: `destroy: safe inside ${name}(), and closed() is all that follows`,
    timeLimitMs: 30_000,
    play: async (stage) => {
      const reason = new Error('destroyed by the suite')
      let callsBefore: number | undefined
      const link = await stage.link()
      const recorder = stage.start(link.connection, {
        viewLength: () => 16,
        [hooks[name]]: () => {
          callsBefore ??= recorder.calls.length
          recorder.destroy(link.connection, reason)
        },
      })
      triggers[name](link)
      const error = await stage.waitFor(`closed() after destroy() inside ${name}()`, recorder.untilClosed())
      await stage.grace()
      recorder.check()
      const expected = name === 'closed' ? [] : ['closed']
      checkSame('calls after destroy()', recorder.calls.slice(callsBefore).join(), expected.join())
      if (name !== 'closed') checkSame('the error of closed()', error, reason)
    },
  }
}

export const destroying: readonly Script<Stage>[] = [
  {
    name: 'destroy: closed() gets the very reason, and the first one when destroyed twice',
    play: async (stage) => {
      const { connection, recorder } = await stage.startedLink()
      const reason = new Error('destroyed by the suite')
      recorder.destroy(connection, reason)
      connection.destroy(new Error('destroyed again by the suite'))
      checkSame('the error of closed()', await stage.waitFor('closed()', recorder.untilClosed()), reason)
      connection.destroy(new Error('destroyed when closed'))
    },
  },
  {
    name: 'destroy: without a reason, closed() gets none',
    play: async (stage) => {
      const { connection, recorder } = await stage.startedLink()
      recorder.destroy(connection)
      checkSame('the error of closed()', await stage.waitFor('closed()', recorder.untilClosed()), undefined)
    },
  },
  {
    name: 'destroy: after it, no call but closed() and no byte into lent memory',
    play: async (stage) => {
      const { connection, peer, recorder } = await stage.startedLink()
      inBackground(peer.write(pattern(1000, 1)))
      await stage.waitFor(
        '1000 bytes',
        recorder.until(() => recorder.receivedLength === 1000),
      )
      recorder.destroy(connection)
      const lent = recorder.memory.fill(0xee)
      inBackground(peer.write(pattern(100_000, 2)))
      await stage.grace()
      recorder.check()
      const touched = lent.findIndex((byte) => byte !== 0xee)
      check(touched === -1, `byte ${touched} of the memory was written to after destroy()`)
      checkSame('bytes received', recorder.receivedLength, 1000)
    },
  },
  {
    name: 'destroy: drops what was not flushed, whether the peer reads or not',
    timeLimitMs: 30_000,
    play: async (stage) => {
      const { connection, reader, recorder } = await stage.startedLink()
      const written = writeUntilFalse(connection).reduce((sum, chunk) => sum + chunk.length, 0)
      recorder.destroy(connection)
      await stage.waitFor('closed() while the peer does not read', recorder.untilClosed())
      // The peer sees a part of it, then the end or a reset.
      const seen = reader.takeToEnd().catch(() => new Uint8Array(0))
      const { length } = await stage.waitFor('the end or a reset at the peer', seen)
      check(length <= written, `the peer saw ${length} bytes, ${written} were written`)
    },
  },
  {
    name: 'destroy: resolves close(), before it and after it',
    play: async (stage) => {
      const { connection, recorder } = await stage.startedLink()
      recorder.destroy(connection)
      await stage.waitFor('close() to resolve', connection.close())
      checkSame('calls of closed()', recorder.closedErrors.length, 1)
    },
  },
  {
    name: 'destroy: leaves nothing open, started or not',
    play: async (stage) => {
      await stage.startedLink()
      await stage.end()
      const before = stage.openResources()
      for (let round = 0; round < roundsOfRelease; round++) {
        const { connection, peer } = await stage.link()
        const recorder = round % 2 === 0 ? stage.start(connection) : undefined
        connection.destroy()
        peer.reset()
        if (recorder !== undefined) await stage.waitFor('closed()', recorder.untilClosed())
      }
      await stage.end()
      await stage.checkReleased(before)
    },
  },
  ...callNames.map(destroyInside),
]
