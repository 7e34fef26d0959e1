import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it, jest } from '@jest/globals'
import { memoryBackend, Server } from '@nbdjs/server'
import { nodeTlsServer } from '@nbdjs/tls'
import { Authority, folderWith } from './credentials.js'
import { open } from './readme/by-uri.js'
import { printSize } from './readme/encrypted.js'
import { serve } from './readme/serving.js'

const authority = new Authority()
const folder = folderWith({ 'ca-cert.pem': authority.ca, 'keys.psk': 'alice:0102030405060708\n' })
afterAll(() => {
  authority.remove()
  rmSync(folder, { recursive: true })
})

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

describe('README.md', () => {
  it.each(['encrypted', 'serving', 'by-uri'])('shows the example that is run here: %s', (name) => {
    expect(read('../README.md')).toContain(`\`\`\`ts\n${read(`readme/${name}.ts`)}\`\`\`\n`)
  })

  it('has an example of certificates that works', async () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => {})
    const tlsProvider = nodeTlsServer(authority.issue({ names: 'IP:127.0.0.1' }))
    await using server = new Server({ exports: { '': memoryBackend(4096) }, tlsProvider })
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
    await printSize('127.0.0.1', port, folder)
    expect(log.mock.calls).toEqual([['4096 bytes, TLS: true']])
    log.mockRestore()
  })

  it('has an example of pre-shared keys, and one of URIs, that work with each other', async () => {
    const pskFile = join(folder, 'keys.psk')
    await using server = serve(pskFile)
    const path = join(folder, 'server.sock')
    await server.listen({ path })
    await using nbd = await open(`nbds+unix://alice@/?socket=${path}&tls-psk-file=${pskFile}`)
    expect([nbd.info.size, nbd.session.tls]).toEqual([4096n, true])
  })
})
