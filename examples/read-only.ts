import { connect, type Transport } from '@nbdjs/core'
import { type Report, rate, reportExport } from './report.js'

const pieceLength = 256 * 1024
const longestRead = 64 * 1024 * 1024

/** Connects, reports the export, reads up to 64 MiB of it and shuts down. Writes nothing. */
export async function readOnly(
  transport: Transport,
  exportName: string,
  report: Report,
  signal?: AbortSignal,
): Promise<void> {
  await using nbd = await connect(transport, { exportName, fullInfo: true, signal })
  reportExport(nbd.info, nbd.session, report)

  const length = Math.min(Number(nbd.info.size), longestRead)
  const offsets = Array.from({ length: Math.ceil(length / pieceLength) }, (_, index) => index * pieceLength)
  const start = performance.now()
  const pieces = await Promise.all(
    offsets.map((offset) => nbd.pread(Math.min(pieceLength, length - offset), offset)),
  )
  report('read', rate(length, performance.now() - start))
  report(
    'not zero',
    `${pieces.filter((piece) => piece.some((byte) => byte !== 0)).length} of ${pieces.length} pieces`,
  )

  await nbd.shutdown({ signal })
  report('shut down', `state ${nbd.state}`)
}
