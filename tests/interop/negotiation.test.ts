import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { connectUri, Handle, NbdNegotiationError } from '@nbdjs/core'
import { unix } from '@nbdjs/transport-unix'
import { noise } from './noise.js'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { type Installation, installations } from './peers/installation.js'
import { nbdServer } from './peers/nbd-server.js'
import { type NbdkitOptions, nbdkit } from './peers/nbdkit.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import { scratchFolder } from './peers/scratch.js'
import type { ServerPeer } from './peers/server-peer.js'
import { transportTo } from './transport-to.js'
import { uriTo } from './uri-to.js'

const memory = (
  installation: Installation,
  more: Omit<NbdkitOptions, 'installation' | 'plugin' | 'parameters'> = {},
): Promise<ServerPeer> => nbdkit({ installation, plugin: 'memory', parameters: ['1M'], ...more })

/** Exactly two exports, `first` and `second`. */
const twoExports = (installation: Installation): Promise<ServerPeer> =>
  nbdkit({
    installation,
    plugin: 'memory',
    filters: ['exportname'],
    parameters: [
      '1M',
      ...['exportname=first', 'exportname=second', 'exportname-list=explicit', 'exportname-strict=true'],
      'exportdesc=fixed:a disk',
    ],
  })

describe.each(installations)('%s', (installation) => {
  describeWith('nbdkit, step by step', { programs: ['nbdkit'], installation }, () => {
    it('lists the exports with their descriptions', async () => {
      const nbd = new Handle()
      await nbd.negotiate(transportTo(await twoExports(installation)))
      expect(nbd.state).toBe('negotiating')
      expect(await nbd.optList()).toEqual([
        { name: 'first', description: 'a disk' },
        { name: 'second', description: 'a disk' },
      ])
      expect(nbd.state).toBe('negotiating')
      await nbd.optAbort()
      expect(nbd.state).toBe('closed')
    })

    it('rejects the list, and the negotiation continues', async () => {
      const parameters = ['1M', 'exportname-list=error']
      const server = await nbdkit({ installation, plugin: 'memory', filters: ['exportname'], parameters })
      const nbd = new Handle()
      await nbd.negotiate(transportTo(server))
      await expect(nbd.optList()).rejects.toMatchObject({
        code: 'ERR_NBD_NEGOTIATION',
        option: 'NBD_OPT_LIST',
      })
      expect(nbd.state).toBe('negotiating')
      expect((await nbd.optGo()).size).toBe(2n ** 20n)
      await nbd.shutdown()
    })

    // libnbd: nbd_opt_info, nbd_opt_go
    it('describes one export and connects to another', async () => {
      const nbd = new Handle({ exportName: 'first', fullInfo: true })
      await nbd.negotiate(transportTo(await twoExports(installation)))
      expect(() => nbd.info).toThrow('info')
      const info = await nbd.optInfo()
      expect(info).toMatchObject({ name: 'first', description: 'a disk', size: 2n ** 20n })
      expect(nbd.state).toBe('negotiating')
      expect(nbd.info).toEqual(info)

      nbd.setExportName('second')
      expect((await nbd.optGo()).name).toBe('second')
      expect(nbd.state).toBe('ready')
      const data = noise(512)
      await nbd.pwrite(data, 0)
      expect(await nbd.pread(512, 0)).toEqual(data)
      await nbd.shutdown()
      expect(nbd.state).toBe('closed')
    })

    it('accepts export names of any characters, in options and in URIs', async () => {
      const names = ['', 'ñ/日本/💾 x%2F+', '/lead/..//x', 'n'.repeat(4096)]
      const server = await nbdkit({
        installation,
        plugin: 'memory',
        filters: ['exportname'],
        parameters: [
          '1M',
          ...['exportname-list=explicit', 'exportname-strict=true', 'exportdesc=script:echo "disk $name"'],
          ...names.map((name) => `exportname=${name}`),
        ],
      })
      const nbd = new Handle({ fullInfo: true })
      await nbd.negotiate(transportTo(server))
      expect((await nbd.optList()).map(({ name }) => name)).toEqual(names)
      for (const name of names.slice(0, 3)) {
        nbd.setExportName(name)
        expect(await nbd.optInfo()).toMatchObject({ name, canonicalName: name, description: `disk ${name}` })
      }
      await nbd.optAbort()
      for (const exportName of names) {
        await using byUri = await connectUri(uriTo(server, exportName), { transports: { unix } })
        expect(byUri.info.name).toBe(exportName)
      }
    })

    it('lists the files of a folder, except one whose name is not UTF-8', async () => {
      const folder = scratchFolder()
      writeFileSync(join(folder, 'disk é'), new Uint8Array(1024))
      // café in Latin-1
      writeFileSync(Buffer.from(join(folder, 'caf\u00e9'), 'latin1'), new Uint8Array(512))
      const nbd = new Handle({ exportName: 'disk é' })
      await nbd.negotiate(
        transportTo(await nbdkit({ installation, plugin: 'file', parameters: [`dir=${folder}`] })),
      )
      expect(await nbd.optList()).toEqual([{ name: 'disk é', description: '' }])
      expect((await nbd.optGo()).size).toBe(1024n)
      await nbd.shutdown()
    })

    it('rejects an unknown export, and accepts another name afterwards', async () => {
      const nbd = new Handle({ exportName: 'third' })
      await nbd.negotiate(transportTo(await twoExports(installation)))
      for (const refused of [() => nbd.optInfo(), () => nbd.optGo()]) {
        await expect(refused()).rejects.toBeInstanceOf(NbdNegotiationError)
        expect(nbd.state).toBe('negotiating')
        expect(() => nbd.info).toThrow('info')
      }
      nbd.setExportName('first')
      await nbd.optGo()
      expect(nbd.state).toBe('ready')
      await nbd.shutdown()
    })

    it('can be left by shutdown too', async () => {
      const nbd = new Handle()
      await nbd.negotiate(transportTo(await memory(installation)))
      await nbd.shutdown()
      expect(nbd.state).toBe('closed')
      await nbd.closed
    })

    it('accepts structured replies as a separate step', async () => {
      const nbd = new Handle({ requestStructuredReplies: false })
      await nbd.negotiate(transportTo(await memory(installation)))
      expect(nbd.session.structuredReplies).toBe(false)
      expect(await nbd.optStructuredReply()).toBe(true)
      expect(nbd.session.structuredReplies).toBe(true)
      await nbd.optGo()
      expect(nbd.info.canDf).toBe(true)
      expect(await nbd.pread(512, 0)).toEqual(new Uint8Array(512))
      await nbd.shutdown()
    })
  })

  describeWith('nbdkit with fewer features', { programs: ['nbdkit'], installation }, () => {
    const masks = [
      { mask: '0', protocol: 'newstyle', noZeroes: false },
      { mask: '1', protocol: 'newstyle-fixed', noZeroes: false },
      { mask: '2', protocol: 'newstyle', noZeroes: true },
      { mask: '3', protocol: 'newstyle-fixed', noZeroes: true },
    ] as const

    // libnbd: nbd_get_protocol
    it.each(masks)('speaks $protocol with --mask-handshake=$mask', async ({ mask, protocol, noZeroes }) => {
      const nbd = new Handle({ exportName: 'any' })
      await nbd.connect(transportTo(await memory(installation, { options: [`--mask-handshake=${mask}`] })))
      expect(nbd.session).toMatchObject({
        protocol,
        structuredReplies: protocol === 'newstyle-fixed',
        handshakeFlags: { noZeroes },
      })
      expect(nbd.info).toMatchObject({ name: 'any', size: 2n ** 20n })
      const data = noise(5000)
      await nbd.pwrite(data, 100)
      expect(await nbd.pread(data.length, 100)).toEqual(data)
      await nbd.shutdown()
      expect(nbd.state).toBe('closed')
    })

    it('connects with NBD_OPT_EXPORT_NAME if there is no other option, in opt mode too', async () => {
      const nbd = new Handle()
      await nbd.negotiate(transportTo(await memory(installation, { options: ['--mask-handshake=0'] })))
      expect(nbd.state).toBe('negotiating')
      await expect(nbd.optList()).rejects.toBeInstanceOf(NbdNegotiationError)
      await expect(nbd.optInfo()).rejects.toBeInstanceOf(NbdNegotiationError)
      expect((await nbd.optGo()).size).toBe(2n ** 20n)
      expect(nbd.state).toBe('ready')
      await nbd.shutdown()
    })

    it('answers in simple replies with --no-sr', async () => {
      const nbd = new Handle()
      await nbd.connect(transportTo(await memory(installation, { options: ['--no-sr'] })))
      expect(nbd.session.structuredReplies).toBe(false)
      expect(nbd.info.canDf).toBe(false)
      expect(await nbd.pread(4096, 0)).toEqual(new Uint8Array(4096))
      await nbd.shutdown()
    })

    it('is read-only with -r, to the client and to the server', async () => {
      const server = await memory(installation, { options: ['-r'] })
      const strict = new Handle()
      expect((await strict.connect(transportTo(server))).readOnly).toBe(true)
      await expect(strict.pwrite(noise(1), 0)).rejects.toMatchObject({
        code: 'ERR_NBD_USAGE',
        errno: 'EPERM',
      })
      await strict.shutdown()

      const lax = new Handle({ strict: false })
      await lax.connect(transportTo(server))
      await expect(lax.pwrite(noise(1), 0)).rejects.toMatchObject({ code: 'ERR_NBD_SERVER', errno: 'EPERM' })
      expect(await lax.pread(1, 0)).toEqual(new Uint8Array(1))
      await lax.shutdown()
    })
  })

  describeWith('qemu-nbd', { programs: ['qemu-nbd'], installation }, () => {
    const disk = (...options: readonly string[]): Promise<ServerPeer> =>
      qemuNbd({ installation, image: diskImage(2 ** 20), exportName: 'disk', options })

    it('lists its export, and rejects others with its own message', async () => {
      const nbd = new Handle({ exportName: 'other' })
      await nbd.negotiate(transportTo(await disk('--description=The only one')))
      expect(await nbd.optList()).toEqual([{ name: 'disk', description: 'The only one' }])
      await expect(nbd.optGo()).rejects.toMatchObject({
        option: 'NBD_OPT_GO',
        reply: 'NBD_REP_ERR_UNKNOWN',
        errno: 'ENOENT',
        serverMessage: expect.stringContaining('other'),
      })
      nbd.setExportName('disk')
      nbd.setFullInfo(true)
      expect(await nbd.optGo()).toMatchObject({ name: 'disk', description: 'The only one' })
      await nbd.shutdown()
    })

    it('has a name and a description of any characters, and rejects twice', async () => {
      const [exportName, description] = ['ñ/日本 💾', 'd'.repeat(4096)]
      const image = diskImage(1_000_001)
      const options = [`--description=${description}`]
      const server = await qemuNbd({ installation, image, exportName, options })
      const nbd = new Handle({ exportName, fullInfo: true })
      await nbd.negotiate(transportTo(server))
      expect(await nbd.optList()).toEqual([{ name: exportName, description }])
      const { session } = nbd
      // Negotiated before: qemu-nbd rejects it, and the feature stays.
      expect(await nbd.optStructuredReply()).toBe(false)
      expect(await nbd.optExtendedHeaders()).toBe(false)
      expect(nbd.session).toEqual(session)
      // Whole sectors.
      const told = { size: 1_000_448n, description, canonicalName: exportName }
      expect(await nbd.optInfo()).toMatchObject(told)
      expect(await nbd.optGo()).toMatchObject(told)
      expect(await nbd.pread(448, 1_000_000)).toEqual(new Uint8Array(448))
      await nbd.shutdown()
    })

    it('rejects a wrong export outside of opt mode: the handle is dead', async () => {
      const nbd = new Handle({ exportName: 'other' })
      await expect(nbd.connect(transportTo(await disk()))).rejects.toMatchObject({
        code: 'ERR_NBD_NEGOTIATION',
        reply: 'NBD_REP_ERR_UNKNOWN',
      })
      expect(nbd.state).toBe('dead')
    })

    it('has a read-only export', async () => {
      const nbd = new Handle({ exportName: 'disk' })
      expect((await nbd.connect(transportTo(await disk('--read-only')))).readOnly).toBe(true)
      await expect(nbd.pwrite(new Uint8Array(512), 0)).rejects.toMatchObject({ errno: 'EPERM' })
      // F3: a read-only qemu-nbd offers no trim, and that check comes first.
      await expect(nbd.trim(512, 0)).rejects.toMatchObject({ errno: 'EINVAL' })
      await nbd.shutdown()
    })
  })
})

describeWith('nbd-server', { programs: ['nbd-server'], installation: 'host' }, () => {
  it('lists its exports if that is allowed', async () => {
    const exports = { one: { exportname: diskImage(4096) }, two: { exportname: diskImage(8192) } }
    const nbd = new Handle()
    await nbd.negotiate(transportTo(await nbdServer({ exports, generic: { allowlist: 'true' } })))
    const names = (await nbd.optList()).map(({ name }) => name)
    expect(names.sort()).toEqual(['one', 'two'])
    nbd.setExportName('two')
    expect((await nbd.optGo()).size).toBe(8192n)
    await nbd.shutdown()
    expect(nbd.state).toBe('closed')
  })

  it('describes several exports, rejects one, and connects to another', async () => {
    const exports = {
      'first disk': { exportname: diskImage(4096), readonly: 'true' },
      'é/2': { exportname: diskImage(8193), flush: 'true', fua: 'true' },
    }
    const nbd = new Handle({ exportName: 'first disk' })
    await nbd.negotiate(transportTo(await nbdServer({ exports })))
    expect(await nbd.optInfo()).toMatchObject({ readOnly: true, canFlush: false })
    nbd.setExportName('second disk')
    const unknown = { reply: 'NBD_REP_ERR_UNKNOWN', errno: 'ENOENT' }
    await expect(nbd.optInfo()).rejects.toMatchObject(unknown)
    await expect(nbd.optGo()).rejects.toMatchObject(unknown)
    expect(nbd.state).toBe('negotiating')
    nbd.setExportName('é/2')
    expect(await nbd.optGo()).toMatchObject({ size: 8193n, readOnly: false, canFlush: true, canFua: true })
    await nbd.shutdown()
    expect(nbd.state).toBe('closed')
  })

  it('rejects the list otherwise', async () => {
    const nbd = new Handle({ exportName: 'one' })
    await nbd.negotiate(transportTo(await nbdServer({ exports: { one: { exportname: diskImage(4096) } } })))
    await expect(nbd.optList()).rejects.toMatchObject({ reply: 'NBD_REP_ERR_POLICY' })
    expect((await nbd.optGo()).size).toBe(4096n)
    await nbd.shutdown()
  })

  it('rejects an unknown export', async () => {
    const nbd = new Handle({ exportName: 'three' })
    const server = await nbdServer({ exports: { one: { exportname: diskImage(4096) } } })
    await expect(nbd.connect(transportTo(server))).rejects.toMatchObject({
      code: 'ERR_NBD_NEGOTIATION',
      errno: 'ENOENT',
    })
    expect(nbd.state).toBe('dead')
  })

  it('has a read-only export', async () => {
    const settings = { exportname: diskImage(4096), readonly: 'true' }
    const nbd = new Handle({ exportName: 'one' })
    const info = await nbd.connect(transportTo(await nbdServer({ exports: { one: settings } })))
    expect(info).toMatchObject({ readOnly: true, size: 4096n })
    await nbd.shutdown()
  })
})
