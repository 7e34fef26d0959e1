import type { Connection } from '@nbdjs/core'
import { check, checkSame } from '../conformance-error.js'
import { checkBytes, concat, pattern, randomUint32 } from '../pattern.js'
import type { PeerReader } from '../peer-reader.js'
import type { Recorder } from '../recorder.js'
import type { Script } from '../scenario.js'
import type { Peer } from '../setup.js'
import type { Stage } from '../stage.js'

const KiB = 1024
const MiB = 1024 * KiB

/** More than any path holds: a write that was never asked to wait by then never will be. */
const beyondAnyPath = 256 * MiB

/** Cuts bytes into short pieces of 0 to 15 bytes, each a view into the same memory. */
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

/** Writes in pieces of 64 KiB and waits for drained() whenever asked to. */
async function writePaced(connection: Connection, recorder: Recorder, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += 64 * KiB) {
    const { drainedCount } = recorder
    const goOn = connection.write([bytes.subarray(offset, offset + 64 * KiB)])
    if (!goOn) await recorder.until(() => recorder.drainedCount > drainedCount || recorder.isClosed)
  }
}

async function writePeerPaced(peer: Peer, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += 100_000) {
    await peer.write(bytes.subarray(offset, offset + 100_000))
  }
}

/** Writes until write() asks to wait, then once more. Returns all that was written. */
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
  check(false, `write() never returned false: ${beyondAnyPath} bytes were written and nobody read them`)
}

function takeAll(stage: Stage, reader: PeerReader, written: readonly Uint8Array[]): Promise<Uint8Array> {
  const length = written.reduce((sum, chunk) => sum + chunk.length, 0)
  return stage.waitFor(`${length} bytes at the peer`, reader.take(length))
}

export const writing: readonly Script<Stage>[] = [
  {
    name: 'write: 16 MiB both ways at once arrive as they were sent',
    timeLimitMs: 60_000,
    play: async (stage) => {
      const [sent, answer] = [pattern(16 * MiB, 1), pattern(16 * MiB, 2)]
      const { connection, peer, reader, recorder } = await stage.startedLink()
      const all = Promise.all([
        reader.take(sent.length),
        writePaced(connection, recorder, sent),
        writePeerPaced(peer, answer),
        recorder.until(() => recorder.receivedLength >= answer.length),
      ])
      const [taken] = await stage.waitFor('16 MiB in both directions', all)
      checkBytes('at the peer', taken, sent)
      checkBytes('received', recorder.bytes, answer)
    },
  },
  {
    name: 'write: many small ones keep their order',
    timeLimitMs: 20_000,
    play: async (stage) => {
      const sent = pattern(200_000, 3)
      const pieces = cutSmall(sent, 3)
      const { connection, reader } = await stage.startedLink()
      // One chunk, then two, then three in a write.
      for (let index = 0, count = 1; index < pieces.length; index += count, count = 1 + (count % 3)) {
        connection.write(pieces.slice(index, index + count))
      }
      const taken = stage.waitFor('200000 bytes at the peer', reader.take(sent.length))
      checkBytes('at the peer', await taken, sent)
    },
  },
  {
    name: 'write: no chunk, and a chunk of no bytes, send nothing',
    play: async (stage) => {
      const { connection, reader } = await stage.startedLink()
      connection.write([])
      connection.write([new Uint8Array(0)])
      connection.write([pattern(10, 1), new Uint8Array(0), pattern(10, 2)])
      const taken = await stage.waitFor('20 bytes at the peer', reader.take(20))
      checkBytes('at the peer', taken, concat([pattern(10, 1), pattern(10, 2)]))
    },
  },
  {
    name: 'write: returns false when the peer does not read, takes every chunk all the same, and drained() follows',
    timeLimitMs: 30_000,
    play: async (stage) => {
      const { connection, reader, recorder } = await stage.startedLink()
      const written = writeUntilFalse(connection)
      const [taken] = await Promise.all([
        takeAll(stage, reader, written),
        stage.waitFor(
          'drained() after false',
          recorder.until(() => recorder.drainedCount > 0),
        ),
      ])
      checkBytes('at the peer', taken, concat(written))
      connection.write([pattern(500, 8)])
      const more = await stage.waitFor('500 bytes after drained()', reader.take(500))
      checkBytes('after drained()', more, pattern(500, 8))
    },
  },
  {
    name: 'write: ignored after close()',
    play: async (stage) => {
      const { connection, peer, reader, recorder } = await stage.startedLink()
      connection.write([pattern(100, 1)])
      const closing = connection.close()
      connection.write([pattern(100, 2)])
      const taken = await stage.waitFor('the end at the peer', reader.takeToEnd())
      checkBytes('at the peer', taken, pattern(100, 1))
      await peer.end()
      await stage.waitFor('close() to resolve', closing)
      connection.write([pattern(100, 3)])
      checkSame('the error of closed()', recorder.closedErrors[0], undefined)
    },
  },
  {
    name: 'write: ignored after destroy()',
    play: async (stage) => {
      const { connection, reader, recorder } = await stage.startedLink()
      connection.write([pattern(100, 1)])
      await stage.waitFor('100 bytes at the peer', reader.take(100))
      recorder.destroy(connection)
      connection.write([pattern(100, 2)])
      // It may as well see a reset.
      const rest = reader.takeToEnd().catch(() => new Uint8Array(0))
      checkSame(
        'bytes at the peer after destroy()',
        (await stage.waitFor('the end at the peer', rest)).length,
        0,
      )
      connection.write([pattern(100, 3)])
    },
  },
]
