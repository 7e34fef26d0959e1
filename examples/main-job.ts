import { connect, type Transport } from '@nbdjs/core'
import { rate, type Say, sayExport } from './report.js'

/** The pieces that are on their way at once. */
const pieceLength = 256 * 1024
const pieceCount = 64

/**
 * The main job of a client: connects, tells about the export, writes, reads back, verifies, zeroes, trims,
 * flushes, and shuts down. The first 16 MiB of the export are overwritten.
 */
export async function mainJob(transport: Transport, say: Say, signal?: AbortSignal): Promise<void> {
  await using nbd = await connect(transport, { fullInfo: true }, { signal })
  const offsets = Array.from({ length: pieceCount }, (_, index) => index * pieceLength)
  const written = offsets.map(pattern)
  sayExport(nbd.info, nbd.session, say)

  const writing = await timed(() =>
    Promise.all(offsets.map((offset, index) => nbd.pwrite(at(written, index), offset, { signal }))),
  )
  say('written', rate(pieceLength * pieceCount, writing.elapsedMs))

  const reading = await timed(() => Promise.all(offsets.map((offset) => nbd.pread(pieceLength, offset))))
  say('read back', rate(pieceLength * pieceCount, reading.elapsedMs))
  reading.value.forEach((piece, index) => {
    verify(piece, at(written, index), at(offsets, index))
  })
  say('verified', `${pieceCount} pieces, every byte`)

  await nbd.zero(pieceLength, 0, { signal })
  verify(await nbd.pread(pieceLength, 0, { signal }), new Uint8Array(pieceLength), 0)
  say('zeroed', `${pieceLength} bytes at 0, and read as zeroes`)

  await nbd.trim(pieceLength, pieceLength, { signal })
  say('trimmed', `${pieceLength} bytes at ${pieceLength}`)

  await nbd.flush({ signal })
  say('flushed', 'all of it is stored')

  await nbd.shutdown({ signal })
  const { bytesSent, bytesReceived } = nbd.stats
  say('shut down', `state ${nbd.state}, ${bytesSent} bytes sent, ${bytesReceived} received`)
}

/** Bytes that tell where they belong. */
function pattern(offset: number): Uint8Array {
  const bytes = new Uint8Array(pieceLength)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < pieceLength; at += 8) view.setBigUint64(at, BigInt(offset + at))
  return bytes
}

function verify(received: Uint8Array, expected: Uint8Array, offset: number): void {
  const wrong = received.findIndex((byte, index) => byte !== expected[index])
  if (wrong === -1 && received.length === expected.length) return
  throw new Error(
    `the byte at ${offset + wrong} is ${received[wrong]} and not ${expected[wrong]}, as was written`,
  )
}

async function timed<T>(run: () => Promise<T>): Promise<{ readonly value: T; readonly elapsedMs: number }> {
  const start = performance.now()
  return { value: await run(), elapsedMs: performance.now() - start }
}

function at<T>(items: readonly T[], index: number): T {
  return items[index] as T
}
