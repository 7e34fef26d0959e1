import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { listenForChild, withSocketPath } from '../src/activation-socket.js'

const folder = mkdtempSync(join(tmpdir(), 'nbdjs-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('withSocketPath', () => {
  it('gives a path in a folder of nobody else, which is gone afterwards', async () => {
    const use = async (path: string): Promise<string> => {
      expect(dirname(dirname(path))).toBe(folder)
      expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
      writeFileSync(path, '')
      return path
    }
    const path = await withSocketPath('activation:x', use, folder)
    expect(existsSync(path)).toBe(false)
    expect(readdirSync(folder)).toEqual([])
  })

  it('removes it after a failure too', async () => {
    const use = async (path: string): Promise<never> => {
      writeFileSync(path, '')
      throw new Error('failed')
    }
    await expect(withSocketPath('activation:x', use, folder)).rejects.toThrow('failed')
    expect(readdirSync(folder)).toEqual([])
  })

  it('takes the temporary folder of the system, unless it leaves no room for the path of a socket', async () => {
    const use = async (path: string): Promise<string> => dirname(dirname(path))
    expect(await withSocketPath('activation:x', use)).toBe(tmpdir().length > 80 ? '/tmp' : tmpdir())
    expect(await withSocketPath('activation:x', use, `/tmp/${'x'.repeat(76)}`)).toBe('/tmp')
  })

  it('tells that there is none', async () => {
    const failing = withSocketPath('activation:x', async () => {}, join(folder, 'none'))
    await expect(failing).rejects.toThrow(NbdTransportError)
    await expect(failing).rejects.toMatchObject({
      message: expect.stringMatching(/^dial of activation:x failed: ENOENT: .*mkdtemp/),
      errno: 'ENOENT',
    })
  })
})

describe('listenForChild', () => {
  // It looks at its descriptor 3 and accepts only after a while, when the parent would have long done so.
  const program = `
    setTimeout(() => {
      const server = require('node:net').createServer((socket) => socket.end('from the child'))
      server.listen({ fd: 3 })
    }, 200)`

  it('leaves every connection to the child, and closes its own socket', async () => {
    const path = join(folder, 'sock')
    const resources = process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length
    const run = (fd: number): ChildProcess =>
      spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'ignore', 'inherit', fd] })
    const child = await listenForChild('activation:x', path, run)
    expect(readdirSync(folder)).toEqual(['sock'])
    const sockets = [connect(path), connect(path), connect(path)]
    for (const socket of sockets) expect(await text(socket)).toBe('from the child')
    child.kill()
    await once(child, 'exit')
    const left = process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length
    expect(left).toBeLessThanOrEqual(resources)
    rmSync(path)
  })

  it('tells that it cannot listen', async () => {
    writeFileSync(join(folder, 'taken'), '')
    const failing = listenForChild('activation:x', join(folder, 'taken'), () => {
      throw new Error('never')
    })
    await expect(failing).rejects.toMatchObject({
      message: expect.stringMatching(/^dial of activation:x failed: listen EADDRINUSE/),
      operation: 'dial',
      errno: 'EADDRINUSE',
    })
  })

  it('stops listening when there is no child', async () => {
    const path = join(folder, 'none')
    const failing = listenForChild('activation:x', path, () => {
      throw new Error('no child')
    })
    await expect(failing).rejects.toThrow('no child')
    const [error] = await once(connect(path), 'error').catch((reason) => [reason])
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  })
})
