import type { Connection } from '@nbdjs/core'
import { concat, pattern, randomUint32, totalLength } from '../bytes.js'
import { checkBytes, checkSame } from '../checks.js'
import type { Fixture } from '../fixture.js'
import type { Recorder } from '../recorder.js'
import type { ScenarioBody } from '../scenario.js'
import type { Peer } from '../setup.js'
import { KiB, MiB, writeUntilFalse } from './steps.js'

/** Cuts bytes into pieces of 0 to 15 bytes, each a view of the same memory. */
function cutSmall(bytes: Uint8Array, seed: number): Uint8Array[] {
  const random = randomUint32(seed)
  const pieces: Uint8Array[] = []
  for (let offset = 0; offset < bytes.length; ) {
    const piece = bytes.subarray(offset, offset + (random() >>> 28))
    pieces.push(piece)
    offset += piece.length
  }
  return pieces
}

/** Writes pieces of 64 KiB, and waits for `drained()` after each `false`. */
async function writePaced(connection: Connection, recorder: Recorder, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += 64 * KiB) {
    const { drainedCount } = recorder
    const canContinue = connection.write([bytes.subarray(offset, offset + 64 * KiB)])
    if (!canContinue) await recorder.until(() => recorder.drainedCount > drainedCount || recorder.isClosed)
  }
}

async function writePeerPaced(peer: Peer, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += 100_000) {
    await peer.write(bytes.subarray(offset, offset + 100_000))
  }
}

export const writeScenarios: readonly ScenarioBody<Fixture>[] = [
  {
    name: 'write: 16 MiB in both directions at once arrive unchanged',
    run: async (fixture) => {
      const [sent, answer] = [pattern(16 * MiB, 1), pattern(16 * MiB, 2)]
      const { connection, peer, reader, recorder } = await fixture.startedLink()
      const all = Promise.all([
        reader.take(sent.length),
        writePaced(connection, recorder, sent),
        writePeerPaced(peer, answer),
        recorder.untilReceived(answer.length),
      ])
      const [taken] = await fixture.waitFor('16 MiB in both directions', all)
      checkBytes('at the peer', taken, sent)
      checkBytes('received', recorder.bytes, answer)
    },
  },
  {
    name: 'write: many small chunks keep their order',
    run: async (fixture) => {
      const sent = pattern(200_000, 3)
      const pieces = cutSmall(sent, 3)
      const { connection, reader } = await fixture.startedLink()
      // One chunk, then two, then three in a write.
      for (let index = 0, count = 1; index < pieces.length; index += count, count = 1 + (count % 3)) {
        connection.write(pieces.slice(index, index + count))
      }
      const taken = fixture.waitFor('200000 bytes at the peer', reader.take(sent.length))
      checkBytes('at the peer', await taken, sent)
    },
  },
  {
    name: 'write: an empty list and an empty chunk send nothing',
    run: async (fixture) => {
      const { connection, reader } = await fixture.startedLink()
      connection.write([])
      connection.write([new Uint8Array(0)])
      connection.write([pattern(10, 1), new Uint8Array(0), pattern(10, 2)])
      const taken = await fixture.waitFor('20 bytes at the peer', reader.take(20))
      checkBytes('at the peer', taken, concat([pattern(10, 1), pattern(10, 2)]))
    },
  },
  {
    name: 'write: returns false while the peer does not read, sends every chunk, and drained() follows',
    run: async (fixture) => {
      const { connection, reader, recorder } = await fixture.startedLink()
      const written = writeUntilFalse(connection)
      const length = totalLength(written)
      const [taken] = await Promise.all([
        fixture.waitFor(`${length} bytes at the peer`, reader.take(length)),
        fixture.waitFor(
          'drained() after false',
          recorder.until(() => recorder.drainedCount > 0),
        ),
      ])
      checkBytes('at the peer', taken, concat(written))
      connection.write([pattern(500, 8)])
      const more = await fixture.waitFor('500 bytes after drained()', reader.take(500))
      checkBytes('after drained()', more, pattern(500, 8))
    },
  },
  {
    name: "write: the memory is the caller's again after true, and after drained()",
    run: async (fixture) => {
      const { connection, reader, recorder } = await fixture.startedLink()
      // More than most paths hold, then many chunks that are flushed at once.
      for (const length of [8 * MiB, ...Array.from({ length: 100 }, () => 1000)]) {
        const sent = pattern(length, length)
        const chunk = sent.slice()
        const { drainedCount } = recorder
        const isLent = !connection.write([chunk])
        const returned = isLent
          ? recorder.until(() => recorder.drainedCount > drainedCount)
          : Promise.resolve()
        const overwritten = returned.then(() => chunk.fill(0xee))
        if (length > MiB) await fixture.quiet()
        const [taken] = await Promise.all([
          fixture.waitFor(`${length} bytes at the peer`, reader.take(length)),
          fixture.waitFor('drained() after false', overwritten),
        ])
        checkBytes('at the peer, overwritten by the caller after true or drained()', taken, sent)
      }
    },
  },
  {
    name: 'write: ignored after close()',
    run: async (fixture) => {
      const { connection, peer, reader, recorder } = await fixture.startedLink()
      connection.write([pattern(100, 1)])
      const closing = connection.close()
      connection.write([pattern(100, 2)])
      const taken = await fixture.waitFor('the end at the peer', reader.takeToEnd())
      checkBytes('at the peer', taken, pattern(100, 1))
      await fixture.waitFor('the half-close of the peer', peer.end())
      await fixture.waitFor('close() to resolve', closing)
      connection.write([pattern(100, 3)])
      checkSame('the error of closed()', recorder.closedErrors[0], undefined)
    },
  },
  {
    name: 'write: ignored after destroy()',
    run: async (fixture) => {
      const { connection, reader, recorder } = await fixture.startedLink()
      connection.write([pattern(100, 1)])
      await fixture.waitFor('100 bytes at the peer', reader.take(100))
      recorder.destroy(connection)
      connection.write([pattern(100, 2)])
      // The peer may see a reset instead of the end.
      const seen = reader.takeToEnd().catch(() => new Uint8Array(0))
      const rest = await fixture.waitFor('the end at the peer', seen)
      checkSame('the number of bytes at the peer after destroy()', rest.length, 0)
      connection.write([pattern(100, 3)])
    },
  },
]
