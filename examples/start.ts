import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NbdError, type Transport } from '@nbdjs/core'
import { memoryBackend, Server } from '@nbdjs/server'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { readOnly } from './read-only.js'
import { printReport } from './report.js'
import { parseTarget } from './target.js'
import { writeAndVerify } from './write-and-verify.js'

/**
 * `npm start` runs `writeAndVerify` against the embedded server, over TCP and over a unix socket.
 * `npm start -- URI` or `npm start -- HOST:PORT` runs `readOnly` against a server of yours.
 */
async function start(target: string | undefined): Promise<void> {
  if (target !== undefined) {
    const { transport, exportName } = parseTarget(target)
    console.log(transport.address)
    await readOnly(transport, exportName, printReport)
    return
  }
  await using server = new Server({
    exports: { '': memoryBackend(2n ** 30n, { description: 'an example in memory' }) },
  })
  const folder = await mkdtemp(join(tmpdir(), 'nbdjs-'))
  try {
    const { port } = await server.listen({ port: 0 })
    const { path } = await server.listen({ path: join(folder, 'nbd.sock') })
    await demonstrate(tcp('localhost', port))
    await demonstrate(unix(path))
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function demonstrate(transport: Transport): Promise<void> {
  console.log(transport.address)
  await writeAndVerify(transport, printReport)
  console.log()
}

try {
  await start(process.argv[2])
} catch (error) {
  console.error(error instanceof NbdError ? `${error.name}: ${error.message}` : error)
  process.exitCode = 1
}
