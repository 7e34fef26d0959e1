import { check, checkSame } from '../conformance-error.js'
import { checkBytes, pattern } from '../pattern.js'
import type { Recorder } from '../recorder.js'
import type { Script } from '../scenario.js'
import type { Stage, StagedLink } from '../stage.js'
import { inBackground } from './background.js'
import { type CallName, callNames, hooks, triggers } from './trigger.js'

const MiB = 1024 * 1024

function checkClosedInOrder(recorder: Recorder): void {
  checkSame('the error of closed()', recorder.closedErrors[0], undefined)
  checkSame('the last call', recorder.calls.at(-1), 'closed')
  checkSame('calls of closed()', recorder.closedErrors.length, 1)
}

/** The peer takes what comes, then ends as well. */
async function finishPeer({ peer, reader }: StagedLink): Promise<Uint8Array> {
  const rest = await reader.takeToEnd()
  await peer.end()
  return rest
}

function closeInside(name: CallName): Script<Stage> {
  return {
    name: `close: safe inside ${name}()`,
    timeLimitMs: 30_000,
    play: async (stage) => {
      let closing: Promise<void> | undefined
      const link = await stage.link()
      const recorder = stage.start(link.connection, {
        [hooks[name]]: () => {
          closing ??= link.connection.close()
        },
      })
      triggers[name](link)
      await stage.waitFor(
        `${name}()`,
        recorder.until(() => closing !== undefined),
      )
      if (name === 'received') inBackground(finishPeer(link))
      if (name === 'drained') inBackground(link.peer.end())
      await stage.waitFor('closed()', recorder.untilClosed())
      await stage.waitFor(`close() inside ${name}() to resolve`, closing as Promise<void>)
      checkClosedInOrder(recorder)
    },
  }
}

export const closing: readonly Script<Stage>[] = [
  {
    name: 'close: half-closes, and the last bytes of the peer still arrive',
    play: async (stage) => {
      const [sent, answer] = [pattern(1000, 1), pattern(2 * MiB, 2)]
      const { connection, peer, reader, recorder } = await stage.startedLink()
      let isResolved = false
      connection.write([sent])
      const closing = connection.close().then(() => {
        isResolved = true
      })
      const taken = await stage.waitFor('the end at the peer', reader.takeToEnd())
      checkBytes('at the peer', taken, sent)
      await stage.grace()
      check(!isResolved, 'close() resolved before the peer had closed its direction')
      check(!recorder.isClosed, 'closed() came before the peer had closed its direction')
      await stage.waitFor('the write of the peer after the half-close', peer.write(answer))
      await peer.end()
      await stage.waitFor('close() to resolve', closing)
      checkBytes('received after close()', recorder.bytes, answer)
      checkClosedInOrder(recorder)
    },
  },
  {
    name: 'close: after ended(), it closes both directions in order',
    play: async (stage) => {
      const { connection, peer, reader, recorder } = await stage.startedLink()
      await peer.end()
      await stage.waitFor(
        'ended()',
        recorder.until(() => recorder.endedCount > 0),
      )
      connection.write([pattern(1000, 1)])
      const closing = connection.close()
      checkBytes('at the peer', await stage.waitFor('the end', reader.takeToEnd()), pattern(1000, 1))
      await stage.waitFor('close() to resolve', closing)
      checkClosedInOrder(recorder)
    },
  },
  {
    name: 'close: flushes what was written',
    timeLimitMs: 30_000,
    play: async (stage) => {
      const sent = pattern(8 * MiB, 3)
      const { connection, peer, reader, recorder } = await stage.startedLink()
      for (let offset = 0; offset < sent.length; offset += MiB) {
        connection.write([sent.subarray(offset, offset + MiB)])
      }
      const closing = connection.close()
      await stage.grace()
      checkBytes('at the peer', await stage.waitFor('8 MiB and the end', reader.takeToEnd()), sent)
      await peer.end()
      await stage.waitFor('close() to resolve', closing)
      checkClosedInOrder(recorder)
    },
  },
  {
    name: 'close: twice is once, also when closed',
    play: async (stage) => {
      const link = await stage.startedLink()
      const twice = [link.connection.close(), link.connection.close()]
      await stage.waitFor('the end at the peer', finishPeer(link))
      await stage.waitFor('both close() to resolve', Promise.all(twice))
      await stage.waitFor('close() to resolve when closed', link.connection.close())
      await stage.grace()
      checkClosedInOrder(link.recorder)
    },
  },
  {
    name: 'close: resolves when destroy() follows, without waiting for the peer',
    play: async (stage) => {
      const { connection, recorder } = await stage.startedLink()
      connection.write([pattern(1000, 1)])
      const closing = connection.close()
      const reason = new Error('destroyed by the suite')
      recorder.destroy(connection, reason)
      await stage.waitFor('close() to resolve after destroy()', closing)
      checkSame('the error of closed()', await recorder.untilClosed(), reason)
    },
  },
  {
    name: 'close: resolves before start() as well, and leaves nothing open',
    play: async (stage) => {
      await stage.link()
      await stage.end()
      const before = stage.openResources()
      const { connection } = await stage.link()
      await stage.waitFor('close() before start() to resolve', connection.close())
      await stage.end()
      await stage.checkReleased(before)
    },
  },
  ...callNames.map(closeInside),
]
