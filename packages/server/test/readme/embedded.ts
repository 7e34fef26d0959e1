import { connect } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { memoryBackend, Server } from '@nbdjs/server'

// A sparse disk of 8 GiB that takes memory only where it is written to.
const server = new Server({ exports: { disk: memoryBackend(8n * 2n ** 30n) }, defaultExport: 'disk' })

// Any client can come by a socket: nbdinfo, nbdcopy, qemu-img, the Linux kernel.
const { uri } = await server.listen({ port: 0 })
console.log(`listening: ${uri}`)

// A client in the same process needs no socket.
const nbd = await connect(inProcess((connection) => server.accept(connection)))
await nbd.pwrite(new TextEncoder().encode('hello'), 4096)
console.log(new TextDecoder().decode(await nbd.pread(5, 4096)))
await nbd.shutdown()

await server.close()
