import { pattern } from '../bytes.js'
import { check, checkBytes, checkSame } from '../checks.js'
import type { Fixture, FixtureLink } from '../fixture.js'
import type { ScenarioBody } from '../scenario.js'
import {
  checkClosedInOrder,
  hooks,
  inBackground,
  MiB,
  type ReceiverCall,
  receiverCalls,
  triggers,
} from './steps.js'

/** Lets the peer read to the end and then half-close. */
async function finishPeer({ peer, reader }: FixtureLink): Promise<Uint8Array> {
  const rest = await reader.takeToEnd()
  await peer.end()
  return rest
}

function closeInside(call: ReceiverCall): ScenarioBody<Fixture> {
  return {
    name: `close: safe inside ${call}()`,
    run: async (fixture) => {
      let closing: Promise<void> | undefined
      const link = await fixture.link()
      const recorder = fixture.start(link.connection, {
        [hooks[call]]: () => {
          closing ??= link.connection.close()
        },
      })
      triggers[call](link)
      await fixture.waitFor(
        `${call}()`,
        recorder.until(() => closing !== undefined),
      )
      if (call === 'received') inBackground(finishPeer(link))
      if (call === 'drained') inBackground(link.peer.end())
      await fixture.waitFor('closed()', recorder.untilClosed())
      await fixture.waitFor(`close() inside ${call}() to resolve`, closing as Promise<void>)
      checkClosedInOrder(recorder)
    },
  }
}

export const closeScenarios: readonly ScenarioBody<Fixture>[] = [
  {
    name: "close: half-closes, and the peer's last bytes still arrive",
    run: async (fixture) => {
      const [sent, answer] = [pattern(1000, 1), pattern(2 * MiB, 2)]
      const { connection, peer, reader, recorder } = await fixture.startedLink()
      let isResolved = false
      connection.write([sent])
      const closing = connection.close().then(() => {
        isResolved = true
      })
      const taken = await fixture.waitFor('the end at the peer', reader.takeToEnd())
      checkBytes('at the peer', taken, sent)
      await fixture.quiet()
      check(!isResolved, 'close() resolved before the peer closed its direction')
      check(!recorder.isClosed, 'closed() was called before the peer closed its direction')
      await fixture.waitFor('the write of the peer after the half-close', peer.write(answer))
      await fixture.waitFor('the half-close of the peer', peer.end())
      await fixture.waitFor('close() to resolve', closing)
      checkBytes('received after close()', recorder.bytes, answer)
      checkClosedInOrder(recorder)
    },
  },
  {
    name: 'close: after ended(), it closes both directions in order',
    run: async (fixture) => {
      const { connection, peer, reader, recorder } = await fixture.startedLink()
      await fixture.waitFor('the half-close of the peer', peer.end())
      await fixture.waitFor('ended()', recorder.untilEnded())
      connection.write([pattern(1000, 1)])
      const closing = connection.close()
      const taken = await fixture.waitFor('the end at the peer', reader.takeToEnd())
      checkBytes('at the peer', taken, pattern(1000, 1))
      await fixture.waitFor('close() to resolve', closing)
      checkClosedInOrder(recorder)
    },
  },
  {
    name: 'close: flushes all written bytes',
    run: async (fixture) => {
      const sent = pattern(8 * MiB, 3)
      const { connection, peer, reader, recorder } = await fixture.startedLink()
      for (let offset = 0; offset < sent.length; offset += MiB) {
        connection.write([sent.subarray(offset, offset + MiB)])
      }
      const closing = connection.close()
      await fixture.quiet()
      const taken = await fixture.waitFor('8 MiB and the end at the peer', reader.takeToEnd())
      checkBytes('at the peer', taken, sent)
      await fixture.waitFor('the half-close of the peer', peer.end())
      await fixture.waitFor('close() to resolve', closing)
      checkClosedInOrder(recorder)
    },
  },
  {
    name: 'close: a second call has no effect, before and after closed()',
    run: async (fixture) => {
      const link = await fixture.startedLink()
      const both = [link.connection.close(), link.connection.close()]
      await fixture.waitFor('the end at the peer', finishPeer(link))
      await fixture.waitFor('both close() to resolve', Promise.all(both))
      await fixture.waitFor('close() to resolve after closed()', link.connection.close())
      await fixture.quiet()
      checkClosedInOrder(link.recorder)
    },
  },
  {
    name: 'close: resolves if destroy() follows, without waiting for the peer',
    run: async (fixture) => {
      const { connection, recorder } = await fixture.startedLink()
      connection.write([pattern(1000, 1)])
      const closing = connection.close()
      const reason = new Error('destroyed by the suite')
      recorder.destroy(connection, reason)
      await fixture.waitFor('close() to resolve after destroy()', closing)
      checkSame('the error of closed()', await recorder.untilClosed(), reason)
    },
  },
  {
    name: 'close: resolves before start() too, and leaves nothing open',
    run: async (fixture) => {
      await fixture.link()
      await fixture.end()
      const before = fixture.openResources()
      const { connection } = await fixture.link()
      await fixture.waitFor('close() before start() to resolve', connection.close())
      await fixture.end()
      await fixture.checkReleased(before)
    },
  },
  ...receiverCalls.map(closeInside),
]
