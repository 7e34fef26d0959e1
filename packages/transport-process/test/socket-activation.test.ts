import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, describe, expect, it } from '@jest/globals'
import { NbdTransportError, NbdUsageError, type Transport } from '@nbdjs/core'
import { type SocketActivationOptions, socketActivation } from '@nbdjs/transport-process'
import { childrenOfThisProcess, describeOnLinux } from './children.js'
import { destroyStarted, everythingFrom, failureOf, started } from './started.js'

afterEach(destroyStarted)

/** A server that listens on its descriptor 3 and does `serve` with each socket that it accepts. */
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

/** What such a server says of itself. */
const reportOf = async (expression: string, options?: SocketActivationOptions): Promise<unknown> => {
  const server = activated(`socket.end(JSON.stringify(${expression}), () => process.exit())`, options)
  return JSON.parse(await everythingFrom(server))
}

const variables = `Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('LISTEN_')))`

describe('socketActivation', () => {
  it('refuses an argument or an option that cannot work before anything is started', () => {
    expect(() => socketActivation([])).toThrow(NbdUsageError)
    expect(() => socketActivation([])).toThrow('socketActivation: argv is []: missing command name')
    expect(() => socketActivation(['nbdkit'], { name: ':' })).toThrow("socketActivation: name is ':'")
  })

  it('has the program for an address, without its arguments', () => {
    expect(socketActivation(['/usr/bin/qemu-nbd', '--object=secret']).address).toBe(
      'activation:/usr/bin/qemu-nbd',
    )
  })
})

describe('the process', () => {
  it('is told of one socket, and its own pid', async () => {
    const [pid, listen] = (await reportOf(`[process.pid, ${variables}]`)) as [number, unknown]
    expect(listen).toEqual({ LISTEN_FDS: '1', LISTEN_PID: String(pid) })
  })

  // libnbd: nbd_set_socket_activation_name
  it('is told the name of its socket', async () => {
    expect(await reportOf(variables, { name: 'disk 0' })).toMatchObject({ LISTEN_FDNAMES: 'disk 0' })
  })

  it('is told nothing of what this process was activated with', async () => {
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
    ['exit 0', 'exited with code 0'],
    ['kill -KILL $$', 'was killed by SIGKILL'],
  ])('%s: before it accepts, is the error', async (script, told) => {
    const { receiver } = await started(socketActivation(['/bin/sh', '-c', script])).catch((error) => ({
      receiver: { closedWith: error },
    }))
    const error = await receiver.closedWith
    expect(error).toBeInstanceOf(NbdTransportError)
    // It may be gone before the dial is done, which then is what fails.
    expect(error.message).toMatch(/^(dial|read) of activation:\/bin\/sh failed: the process /)
    expect(error.message.endsWith(`the process ${told}`)).toBe(true)
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
  it('is told by name', async () => {
    const error = await failureOf(socketActivation(['nbdjs-no-such-program']))
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({
      message: expect.stringContaining('ENOENT: there is no program nbdjs-no-such-program in PATH'),
      address: 'activation:nbdjs-no-such-program',
      errno: 'ENOENT',
    })
  })

  it('is told when the system refuses its arguments', async () => {
    expect(await failureOf(socketActivation(['true', 'x'.repeat(1024 * 1024)]))).toMatchObject({
      message: 'dial of activation:true failed: spawn E2BIG',
      errno: 'E2BIG',
    })
  })
})

describe('close', () => {
  it('sends SIGTERM to a server that outlives its client, which is no error', async () => {
    const { connection, receiver } = await started(
      activated(`socket.write(String(process.pid)); socket.on('end', () => socket.end()).resume()`),
    )
    await receiver.until(() => receiver.text !== '')
    await connection.close()
    expect(await receiver.closedWith).toBeUndefined()
    expect(() => process.kill(Number(receiver.text), 0)).toThrow('ESRCH')
  })

  it('sends SIGKILL to a server that does not obey', async () => {
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

  it('tells that the server did not close its side', async () => {
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
  /** Folders that are named as ours are; those of others come and go. */
  const folders = (): string[] => readdirSync(tmpdir()).filter((name) => /^nbdjs-.{6}$/.test(name))
  const sockets = (): string[] => readdirSync('/proc/self/fd')

  it('is nothing, however it ends', async () => {
    await everythingFrom(activated(`socket.end('x', () => process.exit())`))
    const before = { children: childrenOfThisProcess(), descriptors: sockets().length }
    const foldersBefore = folders()

    await everythingFrom(activated(`socket.end('x', () => process.exit())`))
    const destroyed = await started(activated(`socket.write('x')`))
    // Connected: the path has served its purpose.
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
