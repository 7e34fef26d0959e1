import { pattern, randomUint32 } from '../bytes.js'
import { check, checkBytes } from '../checks.js'
import type { Fixture } from '../fixture.js'
import type { ScenarioBody } from '../scenario.js'
import type { Peer } from '../setup.js'
import { beyondAnyPath, inBackground, MiB } from './steps.js'

/**
 * Lets the peer write until its path is full, because the other end does not read. Returns the number of written bytes,
 * those of the pending write included.
 */
async function fillPath(fixture: Fixture, peer: Peer): Promise<number> {
  const piece = pattern(MiB, 7)
  let isFull = false
  let length = 0
  while (!isFull && length < beyondAnyPath) {
    const write = peer.write(piece)
    inBackground(write)
    length += piece.length
    isFull = await Promise.race([write.then(() => false), fixture.quiet(10).then(() => true)])
  }
  return length
}

export const readScenarios: readonly ScenarioBody<Fixture>[] = [
  {
    name: 'start: no byte is read before it, and none is lost',
    run: async (fixture) => {
      const { connection, peer } = await fixture.link()
      const length = await fixture.waitFor('the path to be full', fillPath(fixture, peer))
      check(length < beyondAnyPath, `${length} bytes were read before start()`)
      const recorder = fixture.start(connection)
      await fixture.waitFor(`${length} bytes`, recorder.untilReceived(length))
      const { bytes } = recorder
      const piece = pattern(MiB, 7)
      for (let offset = 0; offset < length; offset += MiB) {
        checkBytes(`received from offset ${offset}`, bytes.subarray(offset, offset + MiB), piece)
      }
    },
  },
  {
    name: 'buffer: views of 1 byte receive all bytes',
    run: async (fixture) => {
      const sent = pattern(10_000, 1)
      const { peer, recorder } = await fixture.startedLink({ viewLength: () => 1 })
      inBackground(peer.write(sent))
      await fixture.waitFor('10000 bytes', recorder.untilReceived(sent.length))
      checkBytes('received', recorder.bytes, sent)
    },
  },
  {
    name: 'buffer: views of any length receive all bytes, and no byte outside a view is written',
    run: async (fixture) => {
      const random = randomUint32(2)
      const sent = pattern(4 * MiB, 2)
      const { peer, recorder } = await fixture.startedLink({
        viewLength: () => 1 + (random() % 3 === 0 ? random() % 20 : random() % 300_000),
      })
      inBackground(peer.write(sent))
      await fixture.waitFor('4 MiB', recorder.untilReceived(sent.length))
      checkBytes('received', recorder.bytes, sent)
      recorder.check()
    },
  },
  {
    name: 'ended: is called once and after the last byte, and the other direction stays open',
    run: async (fixture) => {
      const [sent, answer] = [pattern(300_000, 3), pattern(2 * MiB, 4)]
      const { connection, peer, reader, recorder } = await fixture.startedLink()
      await fixture.waitFor('the write of the peer', peer.write(sent))
      await fixture.waitFor('the half-close of the peer', peer.end())
      await fixture.waitFor('ended()', recorder.untilEnded())
      checkBytes('received before ended()', recorder.bytes, sent)
      await fixture.quiet()
      check(!recorder.isClosed, 'closed() was called after the end of one direction only')
      connection.write([answer])
      const taken = fixture.waitFor('2 MiB at the peer after ended()', reader.take(answer.length))
      checkBytes('at the peer after ended()', await taken, answer)
    },
  },
]
