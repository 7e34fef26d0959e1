import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, describe, expect, it } from '@jest/globals'
import { NbdTransportError, type Transport } from '@nbdjs/core'
import { type SocketActivationOptions, socketActivation } from '@nbdjs/transport-process'
import { listenForChild, withSocketPath } from '../src/socket-activation.js'
import { childrenOfThisProcess, describeOnLinux } from './children.js'
import { destroyStarted, everythingFrom, failureOf, started } from './started.js'

afterEach(destroyStarted)

/** A server that listens on its descriptor 3 and runs `serve` with each accepted `socket`. */
const activated = (serve: string, options?: SocketActivationOptions): Transport =>
  socketActivation(
    [
      process.execPath,
      '-e',
      `const fs = require('node:fs')
       require('node:net').createServer({ allowHalfOpen: true }, (socket) => { ${serve} }).listen({ fd: 3 })`,
    ],
    options,
  )

/** The value of an expression in such a server. */
const reportOf = async (expression: string, options?: SocketActivationOptions): Promise<unknown> => {
  const server = activated(`socket.end(JSON.stringify(${expression}), () => process.exit())`, options)
  return JSON.parse(await everythingFrom(server))
}

const variables = `Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('LISTEN_')))`

describe('the process', () => {
  it('gets one socket, and its own pid', async () => {
    const [pid, listen] = (await reportOf(`[process.pid, ${variables}]`)) as [number, unknown]
    expect(listen).toEqual({ LISTEN_FDS: '1', LISTEN_PID: String(pid) })
  })

  // libnbd: nbd_set_socket_activation_name
  it('gets the name of its socket', async () => {
    expect(await reportOf(variables, { name: 'disk 0' })).toMatchObject({ LISTEN_FDNAMES: 'disk 0' })
  })

  it('gets no variable of an activation of this process', async () => {
    const own = { LISTEN_PID: '1', LISTEN_FDS: '7', LISTEN_FDNAMES: 'a:b', LISTEN_PIDFDID: '9' }
    Object.assign(process.env, own, { LISTEN_ADDRESS: 'kept' })
    try {
      expect(await reportOf(variables)).toEqual({
        LISTEN_FDS: '1',
        LISTEN_PID: expect.not.stringMatching(/^1$/),
        LISTEN_ADDRESS: 'kept',
      })
    } finally {
      for (const name of [...Object.keys(own), 'LISTEN_ADDRESS']) delete process.env[name]
    }
  })

  describeOnLinux('as /proc shows it', () => {
    it('has /dev/null for 0, and a blocking socket for 3', async () => {
      const flags = `parseInt(/flags:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/fdinfo/3', 'latin1'))[1], 8)`
      const server = socketActivation([
        process.execPath,
        '-e',
        `const fs = require('node:fs')
         const report = JSON.stringify([fs.readlinkSync('/proc/self/fd/0'), fs.readlinkSync('/proc/self/fd/3'), ${flags}])
         require('node:net').createServer((socket) => socket.end(report, () => process.exit())).listen({ fd: 3 })`,
      ])
      const [stdin, socket, socketFlags] = JSON.parse(await everythingFrom(server))
      expect(stdin).toBe('/dev/null')
      expect(socket).toMatch(/^socket:/)
      const O_NONBLOCK = 0o4000
      expect(socketFlags & O_NONBLOCK).toBe(0)
    })
  })
})

describe('a process that ends', () => {
  it.each([
    ['echo "bad option" >&2; exit 2', 'exited with code 2: "bad option"'],
    [
      'exit 0',
      'exited with code 0 before it sent a byte: the server must stay in the foreground, and accept connections on descriptor 3 (LISTEN_FDS)',
    ],
    ['kill -KILL $$', 'was killed by SIGKILL'],
  ])('%s: before it accepts, is the error', async (script, text) => {
    const { receiver } = await started(socketActivation(['/bin/sh', '-c', script])).catch((error) => ({
      receiver: { closedWith: error },
    }))
    const error = await receiver.closedWith
    expect(error).toBeInstanceOf(NbdTransportError)
    // If it exits early enough, the dial fails.
    expect(error.message).toMatch(/^(dial|read) of activation:\/bin\/sh failed: the process /)
    expect(error.message.endsWith(`the process ${text}`)).toBe(true)
    expect(error.errno).toMatch(/^(ECONNRESET|ECONNREFUSED)$/)
  })

  it('while it serves is the error of its connection', async () => {
    const { connection, receiver } = await started(
      activated(`socket.write('x'); socket.on('data', () => { console.error('bad'); process.exit(3) })`),
    )
    await receiver.until(() => receiver.text === 'x')
    connection.write([Buffer.from('die')])
    expect(await receiver.closedWith).toMatchObject({
      message: expect.stringMatching(/failed: the process exited with code 3: "bad"$/),
    })
  })
})

describe('a program that cannot be started', () => {
  it('is named', async () => {
    const error = await failureOf(socketActivation(['nbdjs-no-such-program']))
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({
      message: expect.stringContaining('ENOENT: there is no program "nbdjs-no-such-program" in PATH'),
      address: 'activation:nbdjs-no-such-program',
      errno: 'ENOENT',
    })
  })

  it('because of too long arguments is reported', async () => {
    expect(await failureOf(socketActivation(['true', 'x'.repeat(1024 * 1024)]))).toMatchObject({
      message: 'dial of activation:true failed: spawn E2BIG',
      errno: 'E2BIG',
    })
  })
})

describe('close', () => {
  it('sends SIGTERM to a server that waits for its next client: that is not an error', async () => {
    const { connection, receiver } = await started(
      activated(`socket.write(String(process.pid)); socket.on('end', () => socket.end()).resume()`),
    )
    await receiver.until(() => receiver.text !== '')
    await connection.close()
    expect(await receiver.closedWith).toBeUndefined()
    expect(() => process.kill(Number(receiver.text), 0)).toThrow('ESRCH')
  })

  it('sends SIGKILL to a server that ignores SIGTERM', async () => {
    const { connection, receiver } = await started(
      activated(
        `process.on('SIGTERM', () => {})
         socket.write(String(process.pid)); socket.on('end', () => socket.end()).resume()`,
        { closeMs: 2000 },
      ),
    )
    await receiver.until(() => receiver.text !== '')
    await connection.close()
    expect(await receiver.closedWith).toBeUndefined()
    expect(() => process.kill(Number(receiver.text), 0)).toThrow('ESRCH')
  })

  it('reports a server that did not close its side', async () => {
    const { connection, receiver } = await started(activated(`socket.write('x')`, { closeMs: 100 }))
    await receiver.until(() => receiver.text !== '')
    await connection.close()
    expect(await receiver.closedWith).toMatchObject({
      message: expect.stringMatching(/did not close its side within 100 ms, and was sent SIGTERM$/),
      errno: 'ETIMEDOUT',
    })
  })
})

describeOnLinux('what is left behind', () => {
  /** Folders with names like ours. */
  const folders = (): string[] => readdirSync(tmpdir()).filter((name) => /^nbdjs-.{6}$/.test(name))
  const sockets = (): string[] => readdirSync('/proc/self/fd')

  it('is nothing, however it ends', async () => {
    await everythingFrom(activated(`socket.end('x', () => process.exit())`))
    const before = { children: childrenOfThisProcess(), descriptors: sockets().length }
    const foldersBefore = folders()

    await everythingFrom(activated(`socket.end('x', () => process.exit())`))
    const destroyed = await started(activated(`socket.write('x')`))
    // Connected: the path is not needed any more.
    expect(folders().filter((name) => !foldersBefore.includes(name))).toEqual([])
    destroyed.connection.destroy()
    await destroyed.connection.close()
    await failureOf(socketActivation(['nbdjs-no-such-program']))
    await failureOf(socketActivation(['true', 'x'.repeat(1024 * 1024)]))
    await failureOf(
      activated('', {
        onSpawn: () => {
          throw new Error('not this one')
        },
      }),
    )
    for (let turns = 0; turns < 30; turns += 3) {
      const controller = new AbortController()
      const dial = activated(`socket.write('x')`).dial({ signal: controller.signal })
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
      controller.abort(new Error('aborted'))
      const connection = await dial.catch(() => undefined)
      connection?.destroy()
      await connection?.close()
    }

    expect({ children: childrenOfThisProcess(), descriptors: sockets().length }).toEqual(before)
    expect(folders().filter((name) => !foldersBefore.includes(name))).toEqual([])
  })
})

const folder = mkdtempSync(join(tmpdir(), 'nbdjs-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('withSocketPath', () => {
  it('passes a path in a folder of this user only, and removes it', async () => {
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

  it('uses the temporary folder of the system, unless its path is too long for a socket', async () => {
    const use = async (path: string): Promise<string> => dirname(dirname(path))
    expect(await withSocketPath('activation:x', use)).toBe(tmpdir().length > 80 ? '/tmp' : tmpdir())
    expect(await withSocketPath('activation:x', use, `/tmp/${'x'.repeat(76)}`)).toBe('/tmp')
  })

  it('reports a missing temporary folder', async () => {
    const failing = withSocketPath('activation:x', async () => {}, join(folder, 'none'))
    await expect(failing).rejects.toThrow(NbdTransportError)
    await expect(failing).rejects.toMatchObject({
      message: expect.stringMatching(/^dial of activation:x failed: ENOENT: .*mkdtemp/),
      errno: 'ENOENT',
    })
  })
})

describe('listenForChild', () => {
  // It accepts only after a while, when the parent would have accepted long before.
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

  it('reports that it cannot listen', async () => {
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
