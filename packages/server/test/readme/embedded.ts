import { memoryBackend, Server } from '@nbdjs/server'

const server = new Server({ exports: { disk: memoryBackend(8n * 2n ** 30n) }, defaultExport: 'disk' })
const { uri } = await server.listen({ port: 0 })
console.log(`listening on ${uri}`)
process.once('SIGINT', () => void server.close())
