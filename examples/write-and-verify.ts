import { connect, type Transport } from '@nbdjs/core'
import { type Report, rate, reportExport } from './report.js'

/** All pieces are in flight at once. */
const pieceLength = 256 * 1024
const pieceCount = 64

/**
 * Connects, reports the export, writes, reads back, verifies, zeroes, trims, flushes and shuts down. Overwrites the first
 * 16 MiB of the export.
 */
export async function writeAndVerify(
  transport: Transport,
  report: Report,
  signal?: AbortSignal,
): Promise<void> {
  await using nbd = await connect(transport, { fullInfo: true, signal })
  const offsets = Array.from({ length: pieceCount }, (_, index) => index * pieceLength)
  const written = offsets.map(pattern)
  reportExport(nbd.info, nbd.session, report)

  const writing = await timed(() =>
    Promise.all(offsets.map((offset, index) => nbd.pwrite(at(written, index), offset, { signal }))),
  )
  report('written', rate(pieceLength * pieceCount, writing.elapsedMs))

  const reading = await timed(() => Promise.all(offsets.map((offset) => nbd.pread(pieceLength, offset))))
  report('read back', rate(pieceLength * pieceCount, reading.elapsedMs))
  reading.value.forEach((piece, index) => {
    verify(piece, at(written, index), at(offsets, index))
  })
  report('verified', `all bytes of ${pieceCount} pieces`)

  await nbd.zero(pieceLength, 0, { signal })
  verify(await nbd.pread(pieceLength, 0, { signal }), new Uint8Array(pieceLength), 0)
  report('zeroed', `${pieceLength} bytes at 0, which read as zeroes`)

  await nbd.trim(pieceLength, pieceLength, { signal })
  report('trimmed', `${pieceLength} bytes at ${pieceLength}`)

  await nbd.flush({ signal })
  report('flushed', 'all data is on stable storage')

  await nbd.shutdown({ signal })
  const { bytesSent, bytesReceived } = nbd.stats
  report('shut down', `state ${nbd.state}, ${bytesSent} bytes sent, ${bytesReceived} received`)
}

/** Each 8 bytes are the offset that they belong to. */
function pattern(offset: number): Uint8Array {
  const bytes = new Uint8Array(pieceLength)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < pieceLength; at += 8) view.setBigUint64(at, BigInt(offset + at))
  return bytes
}

function verify(received: Uint8Array, expected: Uint8Array, offset: number): void {
  const index = received.findIndex((byte, index) => byte !== expected[index])
  if (index === -1 && received.length === expected.length) return
  throw new Error(
    `byte at offset ${offset + index}: expected ${expected[index]}, received ${received[index]}`,
  )
}

async function timed<T>(run: () => Promise<T>): Promise<{ readonly value: T; readonly elapsedMs: number }> {
  const start = performance.now()
  return { value: await run(), elapsedMs: performance.now() - start }
}

function at<T>(items: readonly T[], index: number): T {
  return items[index] as T
}
