import { readFileSync } from 'node:fs'
import { open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, jest } from '@jest/globals'
import { connect, type Handle, NbdServerError, NbdTransportError } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { Server } from '@nbdjs/server'
import { noise } from './peer/noise.js'
import { broken, flaky } from './readme/faulty.js'
import { FileBackend } from './readme/file-backend.js'
import { roundTrip } from './readme/in-process.js'
import { striped } from './readme/striped.js'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

const connected = (server: Server): Promise<Handle> =>
  connect(inProcess((connection) => server.accept(connection)))

describe('README.md and docs/embedded-server.md', () => {
  const documents = {
    embedded: '../README.md',
    'in-process': '../README.md',
    'file-backend': '../../../docs/embedded-server.md',
    striped: '../../../docs/embedded-server.md',
    faulty: '../../../docs/embedded-server.md',
  }

  it.each(Object.entries(documents))('contain the example that runs here: %s', (name, document) => {
    expect(read(document)).toContain(`\`\`\`ts\n${read(`readme/${name}.ts`)}\`\`\`\n`)
  })

  it('have a server that listens', async () => {
    const listeners = process.listeners('SIGINT')
    const log = jest.spyOn(console, 'log').mockImplementation(() => {})
    await import('./readme/embedded.js')
    const [line] = log.mock.calls.map(([text]) => String(text))
    log.mockRestore()
    expect(line).toMatch(/^listening on nbd:\/\/127.0.0.1:\d+$/)
    // What Ctrl+C does.
    for (const close of process.listeners('SIGINT').filter((one) => !listeners.includes(one))) close('SIGINT')
  })

  it('have a client in the same process', async () => {
    expect(await roundTrip('hello')).toBe('hello')
  })

  it('have a backend that works', async () => {
    const path = join(tmpdir(), `nbdjs-readme-${process.pid}`)
    await writeFile(path, noise(100_000))
    const file = await open(path)
    await using server = new Server({ exports: { '': new FileBackend(file, 100_001) } })
    const nbd = await connected(server)
    expect(nbd.info.readOnly).toBe(true)
    expect(Buffer.compare(await nbd.pread(50_000, 50_000), noise(100_000).subarray(50_000))).toBe(0)
    await expect(nbd.pread(2, 99_999)).rejects.toMatchObject({
      errno: 'EIO',
      serverMessage: 'the file is shorter than it was',
      errorOffset: 100_000n,
    })
    await nbd.shutdown()
    await file.close()
    await rm(path)
  })

  it('have a metadata context that works', async () => {
    const contexts = { metaContexts: ['x-demo:stripes'] }
    const nbd = await connect(
      inProcess((connection) => striped.accept(connection)),
      contexts,
    )
    const status = await nbd.blockStatus(3 * 2 ** 20, 2 ** 20 - 512)
    expect(status.get('x-demo:stripes')?.map(({ length, flags }) => [Number(length), Number(flags)])).toEqual(
      [
        [512, 0],
        [2 ** 20, 1],
        [2 ** 20, 2],
        [2 ** 20, 0],
      ],
    )
    await nbd.shutdown()
    await striped.close()
  })

  it('have faults that work', async () => {
    const nbd = await connected(flaky)
    expect(nbd.session.structuredReplies).toBe(false)
    const results = await Promise.allSettled([
      nbd.pread(4096, 0),
      nbd.pread(1, 4096),
      nbd.pread(10, 5000),
      nbd.pread(10, 9000),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(results[1]).toMatchObject({ reason: expect.any(NbdServerError) })
    await nbd.shutdown()
    await expect(connected(broken)).rejects.toBeInstanceOf(NbdTransportError)
    await Promise.all([flaky.close(), broken.close()])
  })
})
