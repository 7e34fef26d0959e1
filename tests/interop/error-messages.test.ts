import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { connect, negotiate } from '@nbdjs/core'
import { tcp } from '@nbdjs/transport-tcp'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { installations } from './peers/installation.js'
import { nbdServer } from './peers/nbd-server.js'
import { nbdkit } from './peers/nbdkit.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import { transportTo } from './transport-to.js'

const MiB = 2 ** 20
const GiB = 2 ** 30

describe.each(installations)('%s', (installation) => {
  describeWith('the messages about nbdkit', { programs: ['nbdkit'], installation }, () => {
    it('C5: name the maximum that a rejected read exceeds', async () => {
      const parameters = ['8M', 'blocksize-minimum=1', 'blocksize-preferred=4096', 'blocksize-maximum=1M']
      const server = await nbdkit({
        installation,
        plugin: 'memory',
        filters: ['blocksize-policy'],
        parameters: [...parameters, 'blocksize-error-policy=error'],
      })
      const nbd = await connect(transportTo(server))
      await expect(nbd.pread(2 * MiB, 0)).rejects.toMatchObject({
        code: 'ERR_NBD_SERVER',
        errno: 'EINVAL',
        serverErrno: 22,
        hint: "the request is longer than the server's maximum of 1048576 bytes (info.blockSize.maximum)",
      })
      expect(await nbd.pread(MiB, 0)).toHaveLength(MiB)
      await nbd.shutdown()
    })

    it('C6: say how much of an export whose size is not aligned can be addressed', async () => {
      const parameters = ['10486760', 'blocksize-minimum=4096', 'blocksize-preferred=4096']
      const server = await nbdkit({
        installation,
        plugin: 'memory',
        filters: ['blocksize-policy'],
        parameters: [...parameters, 'blocksize-maximum=32M'],
      })
      const nbd = await connect(transportTo(server), { metaContexts: ['base:allocation'] })
      expect(nbd.info).toMatchObject({ size: 10_486_760n, blockSize: { minimum: 4096 } })
      await expect(nbd.blockStatus(nbd.info.size, 0)).rejects.toMatchObject({
        errno: 'EINVAL',
        hint: 'the last 1000 bytes of the export cannot be addressed: ask for 10485760 bytes at offset 0',
      })
      expect((await nbd.blockStatus(10_485_760, 0)).has('base:allocation')).toBe(true)
      await nbd.shutdown()
    })

    it('C8: say both that an export may be unknown, and that it may not open', async () => {
      const parameters = ['1M', 'exportname=disk', 'exportname-strict=true']
      const filters = ['exportname']
      const server = await nbdkit({ installation, plugin: 'memory', filters, parameters })
      const options = { exportName: 'nosuch\u001b[31m' }
      await expect(connect(transportTo(server), options)).rejects.toMatchObject({
        errno: 'ENOENT',
        message: expect.stringMatching(
          /^NBD_OPT_GO of export "nosuch\\u001b\[31m": server replied NBD_REP_ERR_UNKNOWN.*: the server has no such export, or could not open it: /,
        ),
      })
    })

    it('D3: advise a length that the server survives, in whole blocks', async () => {
      const server = await nbdkit({ installation, plugin: 'null', parameters: ['20G'] })
      const nbd = await connect(transportTo(server), { metaContexts: ['base:allocation'] })
      const message = 'blockStatus: length: expected at most 4294963200 bytes, received 5368709120'
      await expect(nbd.blockStatus(5 * GiB, 0)).rejects.toMatchObject({ errno: 'ERANGE', message })
      const extents = (await nbd.blockStatus(4_294_963_200, 0)).get('base:allocation')
      expect(extents?.[0]?.offset).toBe(0n)
      expect(await nbd.pread(512, 0)).toEqual(new Uint8Array(512))
      await nbd.shutdown()
    })
  })

  describeWith('the messages about qemu-nbd', { programs: ['qemu-nbd'], installation }, () => {
    it('C8: name an unknown export and quote the server', async () => {
      const server = await qemuNbd({ installation, image: diskImage(MiB), exportName: 'disk' })
      const nbd = await negotiate(transportTo(server), { exportName: 'nosuch' })
      for (const call of [() => nbd.optGo(), () => nbd.optInfo()]) {
        await expect(call()).rejects.toMatchObject({
          errno: 'ENOENT',
          reply: 'NBD_REP_ERR_UNKNOWN',
          message: expect.stringMatching(
            / of export "nosuch": server replied .*: ".*nosuch.*": the server has no/,
          ),
        })
      }
      await nbd.optAbort()
    })

    it('shows a secret export name nowhere, even if the server repeats it', async () => {
      const server = await qemuNbd({ installation, image: diskImage(MiB), exportName: 'disk' })
      const lines: string[] = []
      const error: unknown = await connect(transportTo(server), {
        exportName: 'session-5e55-10n',
        secretExportName: true,
        onHandle: (handle) => handle.on('debug', (line) => lines.push(line)),
      }).catch((reason: unknown) => reason)
      expect(error).toMatchObject({
        errno: 'ENOENT',
        message: expect.stringContaining('of export "***": server replied'),
        serverMessage: expect.stringContaining('***'),
      })
      expect(lines.some((line) => line.includes('NBD_OPT_GO'))).toBe(true)
      expect([String(error), ...lines].filter((text) => text.includes('5e55'))).toEqual([])
    })
  })
})

describeWith('the messages about nbd-server', { programs: ['nbd-server'], installation: 'host' }, () => {
  it('C8: name an unknown export', async () => {
    const server = await nbdServer({ exports: { disk: { exportname: diskImage(MiB) } } })
    await expect(connect(transportTo(server), { exportName: 'nosuch' })).rejects.toMatchObject({
      code: 'ERR_NBD_NEGOTIATION',
      message: expect.stringContaining('of export "nosuch"'),
    })
  })
})

describe('the messages about servers that do not speak NBD', () => {
  /** What `connect` rejects with where a server is nothing but `behave`. */
  const meet = async (behave: (socket: Socket) => void): Promise<unknown> => {
    const server = createServer((socket) => behave(socket.on('error', () => {}))).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const error: unknown = await connect(tcp('127.0.0.1', port)).catch((reason: unknown) => reason)
    server.close()
    return error
  }

  it('C10: recognise an SSH server', async () => {
    expect(await meet((socket) => socket.write('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'))).toMatchObject({
      code: 'ERR_NBD_PROTOCOL',
      message:
        'greeting: expected NBDMAGIC, received "SSH-2.0-OpenSSH_": this is an SSH server: check the address and the port',
    })
  })

  it('C10: recognise a server that ends with a TLS alert', async () => {
    const alert = Buffer.from([0x15, 3, 3, 0, 2, 2, 40])
    expect(await meet((socket) => socket.end(alert))).toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      message: expect.stringContaining('received 7: 15 03 03 00 02 02 28'),
      hint: expect.stringMatching(/^the server speaks TLS from the first byte/),
    })
  })
})
