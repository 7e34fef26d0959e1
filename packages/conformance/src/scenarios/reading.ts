import { check } from '../conformance-error.js'
import { checkBytes, pattern, randomUint32 } from '../pattern.js'
import type { Script } from '../scenario.js'
import type { Peer } from '../setup.js'
import type { Stage } from '../stage.js'
import { inBackground } from './background.js'

const MiB = 1024 * 1024

/** No path holds as much as this: who takes it all reads. */
const beyondAnyPath = 256 * MiB

/**
 * Lets the peer write until it is held back: nobody reads at the other end. Returns what was written, the piece
 * that waits included.
 */
async function fill(stage: Stage, peer: Peer): Promise<number> {
  const piece = pattern(MiB, 7)
  let isHeldBack = false
  let length = 0
  while (!isHeldBack && length < beyondAnyPath) {
    const write = peer.write(piece)
    inBackground(write)
    length += piece.length
    isHeldBack = await Promise.race([write.then(() => false), stage.grace(5).then(() => true)])
  }
  return length
}

export const reading: readonly Script<Stage>[] = [
  {
    name: 'start: no byte is read before it, and none is lost',
    timeLimitMs: 30_000,
    play: async (stage) => {
      const { connection, peer } = await stage.link()
      const length = await stage.waitFor('the peer to be held back', fill(stage, peer))
      check(length < beyondAnyPath, `${length} bytes were read before start()`)
      const recorder = stage.start(connection)
      await stage.waitFor(
        `${length} bytes`,
        recorder.until(() => recorder.receivedLength >= length),
      )
      const { bytes } = recorder
      const piece = pattern(MiB, 7)
      for (let offset = 0; offset < length; offset += MiB) {
        checkBytes(`received from ${offset}`, bytes.subarray(offset, offset + MiB), piece)
      }
    },
  },
  {
    name: 'buffer: views of 1 byte carry everything',
    play: async (stage) => {
      const sent = pattern(10_000, 1)
      const { peer, recorder } = await stage.startedLink({ viewLength: () => 1 })
      inBackground(peer.write(sent))
      await stage.waitFor(
        '10000 bytes',
        recorder.until(() => recorder.receivedLength >= sent.length),
      )
      checkBytes('received', recorder.bytes, sent)
    },
  },
  {
    name: 'buffer: views of any length carry everything, and nothing beside them is touched',
    play: async (stage) => {
      const random = randomUint32(2)
      const sent = pattern(4 * MiB, 2)
      const { peer, recorder } = await stage.startedLink({
        viewLength: () => 1 + (random() % 3 === 0 ? random() % 20 : random() % 300_000),
      })
      inBackground(peer.write(sent))
      await stage.waitFor(
        '4 MiB',
        recorder.until(() => recorder.receivedLength >= sent.length),
      )
      checkBytes('received', recorder.bytes, sent)
      recorder.check()
    },
  },
  {
    name: 'ended: comes once and after the last byte, and the other direction stays open',
    play: async (stage) => {
      const [sent, answer] = [pattern(300_000, 3), pattern(2 * MiB, 4)]
      const { connection, peer, reader, recorder } = await stage.startedLink()
      await stage.waitFor('the write of the peer', peer.write(sent))
      await stage.waitFor('the half-close of the peer', peer.end())
      await stage.waitFor(
        'ended()',
        recorder.until(() => recorder.endedCount > 0),
      )
      checkBytes('received before ended()', recorder.bytes, sent)
      await stage.grace()
      check(!recorder.isClosed, 'closed() came though only one direction had ended')
      connection.write([answer])
      const taken = stage.waitFor('2 MiB at the peer after ended()', reader.take(answer.length))
      checkBytes('at the peer after ended()', await taken, answer)
    },
  },
]
