import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it, jest } from '@jest/globals'
import { memoryBackend, Server } from '@nbdjs/server'
import { SocketFolder } from '@nbdjs/testing'
import { printSize } from './readme/print-size.js'

const folder = new SocketFolder()
afterAll(() => folder.remove())

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

describe('README.md', () => {
  it('shows the example that is run here', () => {
    expect(read('../README.md')).toContain(`\`\`\`ts\n${read('readme/print-size.ts')}\`\`\`\n`)
  })

  it('has an example that works', async () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => {})
    const server = new Server({ exports: { '': memoryBackend(4096) } })
    const path = folder.freshPath()
    await server.listen({ path })
    await printSize(path)
    expect(log.mock.calls).toEqual([['4096 bytes']])
    log.mockRestore()
    await server.close()
  })
})
