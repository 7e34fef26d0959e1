import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { afterAll, describe, expect, it } from '@jest/globals'
import { SocketFolder } from '@nbdjs/testing'
import { removeStaleSocket } from '../../src/listen/socket-path.js'

const folder = new SocketFolder()
afterAll(() => folder.remove())

/** Leaves a socket behind as a server does that is killed. */
export const leaveSocket = (path: string): void => {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  if (!existsSync(path)) throw new Error(`no socket was left at ${path}`)
}

describe('removeStaleSocket', () => {
  it('removes what a dead server left', async () => {
    const path = folder.freshPath()
    leaveSocket(path)
    expect(await removeStaleSocket(path)).toBeUndefined()
    expect(existsSync(path)).toBe(false)
  })

  it('leaves a server alone that answers', async () => {
    const path = folder.freshPath()
    const server = net.createServer().listen(path)
    await once(server, 'listening')
    expect(await removeStaleSocket(path)).toBe('a server answers there')
    expect(existsSync(path)).toBe(true)
    server.close()
  })

  it('leaves alone what is no socket', async () => {
    const path = folder.freshPath()
    writeFileSync(path, 'precious')
    expect(await removeStaleSocket(path)).toBe('there is a file of that name, and it is no socket')
    expect(existsSync(path)).toBe(true)
  })

  it('rejects where there is nothing', async () => {
    await expect(removeStaleSocket(folder.freshPath())).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
