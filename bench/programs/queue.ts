/** `node queue.js URI COUNT`: submits COUNT reads of 512 bytes at once. */
import { connectUri } from '@nbdjs/core'
import { unix } from '@nbdjs/transport-unix'
import { usageOf } from '../usage.js'

const LENGTH = 512
const [uri = '', count = ''] = process.argv.slice(2)
await using nbd = await connectUri(uri, { transports: { unix } })

const readAtOnce = async (commands: number): Promise<void> => {
  const buffer = new Uint8Array(LENGTH)
  await Promise.all(Array.from({ length: commands }, (_, index) => nbd.preadInto(buffer, index * LENGTH)))
}

await readAtOnce(20_000)
console.log(JSON.stringify(await usageOf(() => readAtOnce(Number(count)))))
