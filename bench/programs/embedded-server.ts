/** `node embedded-server.js PATH SIZE`: the embedded server with an empty disk. It runs until its input ends. */
import { memoryBackend, Server } from '@nbdjs/server'

const [path = '', size = ''] = process.argv.slice(2)
const server = new Server({ exports: { '': memoryBackend(Number(size)) } })
await server.listen({ path })
console.log('ready')
process.stdin.resume().once('end', () => void server.close())
