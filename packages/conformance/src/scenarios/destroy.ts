import { pattern, totalLength } from '../bytes.js'
import { check, checkSame } from '../checks.js'
import type { Fixture } from '../fixture.js'
import type { ScenarioBody } from '../scenario.js'
import { hooks, inBackground, type ReceiverCall, receiverCalls, triggers, writeUntilFalse } from './steps.js'

const leakRounds = 10

function destroyInside(call: ReceiverCall): ScenarioBody<Fixture> {
  return {
    name: `destroy: safe inside ${call}(), and only closed() follows`,
    run: async (fixture) => {
      const reason = new Error('destroyed by the suite')
      let callsBefore: number | undefined
      const link = await fixture.link()
      const recorder = fixture.start(link.connection, {
        viewLength: () => 16,
        [hooks[call]]: () => {
          callsBefore ??= recorder.calls.length
          recorder.destroy(link.connection, reason)
        },
      })
      triggers[call](link)
      const closed = recorder.untilClosed()
      const error = await fixture.waitFor(`closed() after destroy() inside ${call}()`, closed)
      await fixture.quiet()
      recorder.check()
      const expected = call === 'closed' ? [] : ['closed']
      checkSame('the calls after destroy()', recorder.calls.slice(callsBefore).join(), expected.join())
      if (call !== 'closed') checkSame('the error of closed()', error, reason)
    },
  }
}

export const destroyScenarios: readonly ScenarioBody<Fixture>[] = [
  {
    name: 'destroy: closed() gets the same reason, and the first one if destroyed twice',
    run: async (fixture) => {
      const { connection, recorder } = await fixture.startedLink()
      const reason = new Error('destroyed by the suite')
      recorder.destroy(connection, reason)
      connection.destroy(new Error('destroyed again by the suite'))
      checkSame('the error of closed()', await fixture.waitFor('closed()', recorder.untilClosed()), reason)
      connection.destroy(new Error('destroyed after closed()'))
    },
  },
  {
    name: 'destroy: without a reason, closed() gets undefined',
    run: async (fixture) => {
      const { connection, recorder } = await fixture.startedLink()
      recorder.destroy(connection)
      checkSame('the error of closed()', await fixture.waitFor('closed()', recorder.untilClosed()), undefined)
    },
  },
  {
    name: 'destroy: only closed() follows, and no byte is written into lent memory',
    run: async (fixture) => {
      const { connection, peer, recorder } = await fixture.startedLink()
      inBackground(peer.write(pattern(1000, 1)))
      await fixture.waitFor('1000 bytes', recorder.untilReceived(1000))
      recorder.destroy(connection)
      const lent = recorder.memory.fill(0xee)
      inBackground(peer.write(pattern(100_000, 2)))
      await fixture.quiet()
      recorder.check()
      const written = lent.findIndex((byte) => byte !== 0xee)
      check(written === -1, `byte ${written} of the lent memory was written after destroy()`)
      checkSame('the number of received bytes', recorder.receivedLength, 1000)
    },
  },
  {
    name: 'destroy: drops unflushed bytes, whether the peer reads or not',
    run: async (fixture) => {
      const { connection, reader, recorder } = await fixture.startedLink()
      const written = totalLength(writeUntilFalse(connection))
      recorder.destroy(connection)
      await fixture.waitFor('closed() while the peer does not read', recorder.untilClosed())
      // The peer sees a part of the bytes, then the end or a reset.
      const seen = reader.takeToEnd().catch(() => new Uint8Array(0))
      const { length } = await fixture.waitFor('the end or a reset at the peer', seen)
      check(length <= written, `the peer received ${length} bytes, only ${written} were written`)
    },
  },
  {
    name: 'destroy: a later close() resolves',
    run: async (fixture) => {
      const { connection, recorder } = await fixture.startedLink()
      recorder.destroy(connection)
      await fixture.waitFor('close() to resolve', connection.close())
      checkSame('the number of calls of closed()', recorder.closedErrors.length, 1)
    },
  },
  {
    name: 'destroy: leaves nothing open, before and after start()',
    run: async (fixture) => {
      await fixture.startedLink()
      await fixture.end()
      const before = fixture.openResources()
      for (let round = 0; round < leakRounds; round++) {
        const { connection, peer } = await fixture.link()
        const recorder = round % 2 === 0 ? fixture.start(connection) : undefined
        connection.destroy()
        peer.reset()
        if (recorder !== undefined) await fixture.waitFor('closed()', recorder.untilClosed())
      }
      await fixture.end()
      await fixture.checkReleased(before)
    },
  },
  ...receiverCalls.map(destroyInside),
]
