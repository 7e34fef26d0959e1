/**
 * `node steady.js URI GIB`: reads GIB GiB, 256 KiB x 16, into the same buffers. Prints the resident size after 4 GiB and its
 * growth after that.
 */
import { connectUri } from '@nbdjs/core'
import { unix } from '@nbdjs/transport-unix'

const LENGTH = 256 * 1024
const GIB = 2 ** 30
const [uri = '', gib = ''] = process.argv.slice(2)
await using nbd = await connectUri(uri, { transports: { unix } })
const exportSize = Number(nbd.info.size)

/** Reads `bytes` bytes and returns the largest resident size meanwhile. */
const read = async (bytes: number): Promise<number> => {
  let sent = 0
  let peak = 0
  const worker = async (): Promise<void> => {
    const buffer = new Uint8Array(LENGTH)
    while (sent < bytes) {
      sent += LENGTH
      await nbd.preadInto(buffer, sent % exportSize)
      if (sent % GIB === 0) peak = Math.max(peak, process.memoryUsage.rss())
    }
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  return peak
}

const before = await read(4 * GIB)
const after = await read(Number(gib) * GIB)
console.log(JSON.stringify({ before, growth: after - before }))
