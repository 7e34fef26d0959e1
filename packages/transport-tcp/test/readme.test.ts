import { readFileSync } from 'node:fs'
import { describe, expect, it, jest } from '@jest/globals'
import { memoryBackend, Server } from '@nbdjs/server'
import { printSize } from './readme/print-size.js'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

describe('README.md', () => {
  it('shows the example that is run here', () => {
    expect(read('../README.md')).toContain(`\`\`\`ts\n${read('readme/print-size.ts')}\`\`\`\n`)
  })

  it('has an example that works', async () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => {})
    const server = new Server({ exports: { '': memoryBackend(4096) } })
    const { host, port } = await server.listen({ port: 0 })
    await printSize(host, port)
    expect(log.mock.calls).toEqual([['4096 bytes']])
    log.mockRestore()
    await server.close()
  })
})
