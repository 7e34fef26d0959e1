import { connect, type Transport } from '@nbdjs/core'
import { rate, type Say, sayExport } from './report.js'

const pieceLength = 256 * 1024
const longestRead = 64 * 1024 * 1024

/** The main job without a write: connects, tells about the export, reads its beginning, and shuts down. */
export async function readOnlyJob(
  transport: Transport,
  exportName: string,
  say: Say,
  signal?: AbortSignal,
): Promise<void> {
  await using nbd = await connect(transport, { exportName, fullInfo: true }, { signal })
  sayExport(nbd.info, nbd.session, say)

  const length = Math.min(Number(nbd.info.size), longestRead)
  const offsets = Array.from({ length: Math.ceil(length / pieceLength) }, (_, index) => index * pieceLength)
  const start = performance.now()
  const pieces = await Promise.all(
    offsets.map((offset) => nbd.pread(Math.min(pieceLength, length - offset), offset)),
  )
  say('read', rate(length, performance.now() - start))
  say(
    'not zero',
    `${pieces.filter((piece) => piece.some((byte) => byte !== 0)).length} of ${pieces.length} pieces`,
  )

  await nbd.shutdown({ signal })
  say('shut down', `state ${nbd.state}`)
}
