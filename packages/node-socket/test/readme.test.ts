import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { RecordingReceiver } from '@nbdjs/testing'
import { tcpFrom } from './readme/tcp-from.js'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

describe('README.md', () => {
  it('shows the example that is run here', () => {
    expect(read('../README.md')).toContain(`\`\`\`ts\n${read('readme/tcp-from.ts')}\`\`\`\n`)
  })

  it('has an example that works', async () => {
    const server = net
      .createServer((socket) => socket.resume().end(String(socket.remoteAddress)))
      .listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    const { signal } = new AbortController()
    const connection = await tcpFrom('127.0.0.1', '127.0.0.1', port).dial({ signal })
    const receiver = new RecordingReceiver()
    connection.start(receiver)
    await connection.close()
    expect(receiver.text).toBe('127.0.0.1')
    await once(server.close(), 'close')
  })
})
