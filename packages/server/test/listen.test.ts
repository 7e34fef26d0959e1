import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import net from 'node:net'
import { afterAll, afterEach, describe, expect, it } from '@jest/globals'
import { NbdStateError, NbdTransportError, NbdUsageError } from '@nbdjs/core'
import { memoryBackend, Server, type ServerClient, type ServerOptions } from '@nbdjs/server'
import { SocketFolder } from '@nbdjs/testing'

const folder = new SocketFolder()
afterAll(() => folder.remove())

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const make = (options: Partial<ServerOptions> = {}): Server => {
  const server = new Server({ exports: { '': memoryBackend(4096) }, ...options })
  closers.push(() => server.close())
  return server
}

/** Connects, and resolves with the greeting. */
const greeting = async (options: net.NetConnectOpts): Promise<{ socket: net.Socket; text: string }> => {
  const socket = net.connect(options)
  closers.push(async () => void socket.destroy())
  const [data] = (await once(socket, 'data')) as [Buffer]
  return { socket, text: data.toString('latin1', 0, 8) }
}

describe('listening on TCP', () => {
  it('binds the loopback address, and returns the port', async () => {
    const clients: (ServerClient | undefined)[] = []
    const server = make({ onDebug: (_, client) => clients.push(client) })
    const address = await server.listen({ port: 0 })
    expect(address).toEqual({
      host: '127.0.0.1',
      port: expect.any(Number),
      uri: `nbd://127.0.0.1:${address.port}`,
    })
    expect(address.port).toBeGreaterThan(0)
    const { socket, text } = await greeting({ host: '127.0.0.1', port: address.port })
    expect(text).toBe('NBDMAGIC')
    expect(clients).toContainEqual({
      address: `tcp://127.0.0.1:${socket.localPort}`,
      exportName: undefined,
    })
  })

  it('binds an IPv6 address', async () => {
    const server = make()
    const address = await server.listen({ port: 0, host: '::1' })
    expect(address.uri).toBe(`nbd://[::1]:${address.port}`)
    expect((await greeting({ host: '::1', port: address.port })).text).toBe('NBDMAGIC')
  })

  // The kernel's table shows the timer of a socket.
  const onLinux = process.platform === 'linux' ? it : it.skip
  onLinux.each([
    [undefined, '02'],
    [0, '00'],
  ])('G5: probes idle clients, keepAliveMs: %p', async (keepAliveMs, timer) => {
    const { port } = await make().listen({ port: 0, keepAliveMs })
    await greeting({ host: '127.0.0.1', port })
    const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
    const accepted = readFileSync('/proc/net/tcp', 'latin1')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      // State 01 is an established connection.
      .filter(([, address, , state]) => address === local && state === '01')
    expect(accepted.map((fields) => fields[5]?.slice(0, 2))).toEqual([timer])
  })

  it('rejects if the port is in use', async () => {
    const { port } = await make().listen({ port: 0 })
    const second = make().listen({ port })
    await expect(second).rejects.toBeInstanceOf(NbdTransportError)
    await expect(second).rejects.toMatchObject({
      message: expect.stringMatching(/^cannot listen on tcp:\/\/127.0.0.1:\d+: listen EADDRINUSE/),
      operation: 'listen',
      address: `tcp://127.0.0.1:${port}`,
      errno: 'EADDRINUSE',
    })
  })

  it.each([
    [{ port: -1 }, 'listen: port: expected an integer from 0 to 65535, received -1'],
    [{ port: 65536 }, 'listen: port: expected an integer from 0 to 65535, received 65536'],
    [{ port: 1.5 }, 'received 1.5'],
    [{ port: '80' }, 'received "80"'],
    [{}, 'listen: port: expected an integer from 0 to 65535, received undefined'],
    [{ port: 1, host: '' }, 'listen: host: expected a host name or an IP address, received ""'],
    [{ port: 1, host: 5 }, 'listen: host: expected a host name or an IP address, received 5'],
    [
      { port: 1, hostname: 'a' },
      "listen: unknown option 'hostname', expected one of port, host, keepAliveMs",
    ],
    [{ port: 1, keepAliveMs: -1 }, 'listen: keepAliveMs: expected a number of milliseconds from 0 to'],
    [undefined, 'listen: port: expected an integer from 0 to 65535, received undefined'],
  ])('rejects %p', async (options, message) => {
    const listening = make().listen(options as never)
    await expect(listening).rejects.toBeInstanceOf(NbdUsageError)
    await expect(listening).rejects.toThrow(message)
  })
})

describe('listening on a unix socket', () => {
  it('creates the socket, and removes it when the server is closed', async () => {
    const server = make()
    const path = folder.freshPath()
    expect(await server.listen({ path })).toEqual({ path, uri: `nbd+unix:///?socket=${path}` })
    expect((await greeting({ path })).text).toBe('NBDMAGIC')
    // A change of the mode does not make it another socket.
    chmodSync(path, 0o600)
    await server.close()
    expect(existsSync(path)).toBe(false)
  })

  it('encodes the path in the URI', async () => {
    const path = `${folder.freshPath()} b&c`
    const { uri } = await make().listen({ path })
    expect(uri).toBe(`nbd+unix:///?socket=${path.replace(' b&c', '%20b%26c')}`)
  })

  it('replaces the socket of a dead server', async () => {
    const path = folder.freshPath()
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', script])
    expect(existsSync(path)).toBe(true)
    await make().listen({ path })
    expect((await greeting({ path })).text).toBe('NBDMAGIC')
  })

  it('rejects if a server answers there, which is not affected', async () => {
    const path = folder.freshPath()
    await make().listen({ path })
    await expect(make().listen({ path })).rejects.toMatchObject({
      message: `cannot listen on unix://${path}: a server answers there`,
      operation: 'listen',
      errno: 'EADDRINUSE',
    })
    expect((await greeting({ path })).text).toBe('NBDMAGIC')
  })

  it('rejects if a file exists there, which is kept', async () => {
    const path = folder.freshPath()
    writeFileSync(path, 'precious')
    await expect(make().listen({ path })).rejects.toThrow(
      `cannot listen on unix://${path}: a file exists at this path, and it is no socket`,
    )
    expect(existsSync(path)).toBe(true)
  })

  it('rejects if the folder does not exist', async () => {
    const path = `${folder.path}/nowhere/a.sock`
    await expect(make().listen({ path })).rejects.toMatchObject({ operation: 'listen' })
  })

  it.each([
    ['', 'listen: path: expected the path of a file, received ""'],
    ['\0abstract', 'listen: path: expected the path of a file, received "\\u0000abstract"'],
    ['/tmp/u\0.sock', 'listen: path: expected the path of a file, received "/tmp/u\\u0000.sock"'],
    [
      '/tmp/u\ud800.sock',
      'listen: path: expected a path without a lone surrogate, received "/tmp/u\\ud800.sock"',
    ],
    [5, 'listen: path: expected a string, received 5'],
    [`/${'ä'.repeat(54)}`, /^listen: path: expected a path of at most 10[37] bytes, .*, received 109 bytes$/],
  ])('rejects the path %j', async (path, message) => {
    const listening = make().listen({ path: path as string })
    await expect(listening).rejects.toBeInstanceOf(NbdUsageError)
    await expect(listening).rejects.toThrow(message)
  })

  it('G3: does not remove the socket of its successor', async () => {
    const path = folder.freshPath()
    const first = make()
    const second = make()
    await first.listen({ path })
    unlinkSync(path)
    await second.listen({ path })
    await first.close()
    expect((await greeting({ path })).text).toBe('NBDMAGIC')
    await second.close()
    expect(existsSync(path)).toBe(false)
  })

  it.each([
    ['a file', (path: string) => writeFileSync(path, 'precious'), unlinkSync],
    ['a link', (path: string) => symlinkSync('/nowhere', path), unlinkSync],
    ['a folder', (path: string) => mkdirSync(path), rmdirSync],
  ])('G3: does not remove %s that replaced its socket', async (_, replace, remove) => {
    const path = folder.freshPath()
    const server = make()
    await server.listen({ path })
    unlinkSync(path)
    replace(path)
    const before = lstatSync(path)
    await server.close()
    expect(lstatSync(path)).toMatchObject({ ino: before.ino, mode: before.mode })
    remove(path)
  })

  it('G3: closes without an error if its socket or its folder is gone', async () => {
    const own = `${folder.path}/own`
    mkdirSync(own)
    const server = make()
    await server.listen({ path: `${own}/a.sock` })
    unlinkSync(`${own}/a.sock`)
    rmdirSync(own)
    await server.close()
  })

  it('stops if the server is closed meanwhile', async () => {
    const server = make()
    const path = folder.freshPath()
    const listening = server.listen({ path })
    await server.close()
    await expect(listening).rejects.toBeInstanceOf(NbdStateError)
    expect(existsSync(path)).toBe(false)
  })
})
