import { describe, expect, it } from '@jest/globals'
import { connect, Handle, type HandleOptions, MetaContextName, NbdNegotiationError } from '@nbdjs/core'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { installations } from './peers/installation.js'
import { nbdServer } from './peers/nbd-server.js'
import { type NbdkitOptions, nbdkit } from './peers/nbdkit.js'
import { qemuImg } from './peers/qemu-img.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import type { ServerPeer } from './peers/server-peer.js'
import { qcow2Image } from './qcow2-image.js'
import { transportTo } from './transport-to.js'

const MiB = 2 ** 20
const allocation = MetaContextName.BaseAllocation
const depth = MetaContextName.QemuAllocationDepth
const bitmaps = ['one', 'two'].map((name) => `${MetaContextName.QemuDirtyBitmap}${name}`)

/** A handle in the state `negotiating`. */
const haggle = async (server: ServerPeer, options: HandleOptions = {}): Promise<Handle> => {
  const nbd = new Handle(options)
  await nbd.negotiate(transportTo(server))
  return nbd
}

const noContext = {
  code: 'ERR_NBD_USAGE',
  errno: 'ENOTSUP',
  message: 'blockStatus: no meta context was negotiated: ask for contexts by the option metaContexts',
}

/** Checks that the handle is in transmission without block status. */
const expectNoStatus = async (nbd: Handle): Promise<void> => {
  expect(nbd.state).toBe('ready')
  expect(nbd.info.metaContexts).toEqual([])
  expect(nbd.canMetaContext(allocation)).toBe(false)
  const { bytesSent } = nbd.stats
  await expect(nbd.blockStatus(512, 0)).rejects.toMatchObject(noContext)
  expect(nbd.stats.bytesSent).toBe(bytesSent)
  await nbd.pread(512, 0)
}

const expectStatus = async (nbd: Handle, ...contexts: readonly string[]): Promise<void> => {
  expect([...nbd.info.metaContexts].sort()).toEqual([...contexts].sort())
  for (const context of contexts) expect(nbd.canMetaContext(context)).toBe(true)
  expect([...(await nbd.blockStatus(4096, 0)).keys()].sort()).toEqual([...contexts].sort())
}

describe.each(installations)('%s', (installation) => {
  const memory = (more: Omit<NbdkitOptions, 'installation' | 'plugin' | 'parameters'> = {}) =>
    nbdkit({ installation, plugin: 'memory', parameters: ['1M'], ...more })

  describeWith('the contexts of nbdkit', { programs: ['nbdkit'], installation }, () => {
    /** Exactly two exports, `first` and `second`. */
    const twoExports = (): Promise<ServerPeer> =>
      nbdkit({
        installation,
        plugin: 'memory',
        filters: ['exportname'],
        parameters: [
          '1M',
          ...['exportname=first', 'exportname=second', 'exportname-list=explicit', 'exportname-strict=true'],
        ],
      })

    it('are selected during connect, if they exist', async () => {
      const metaContexts = ['x-none:such', allocation, allocation]
      const nbd = await connect(transportTo(await memory()), { metaContexts, requireMetaContexts: false })
      expect(nbd.info.missingMetaContexts).toEqual(['x-none:such'])
      await expectStatus(nbd, allocation)
      expect(nbd.canMetaContext('x-none:such')).toBe(false)
      expect(nbd.canMetaContext('base:')).toBe(false)
      await nbd.shutdown()
      // Still known.
      expect(nbd.canMetaContext(allocation)).toBe(true)
    })

    it.each([
      ['none is asked for', {}],
      ['the server has none of them', { metaContexts: ['x-none:such'] }],
      ['selecting is off', { metaContexts: [allocation], requestMetaContext: false }],
      ['there are simple replies only', { metaContexts: [allocation], requestStructuredReplies: false }],
      ['it is plain newstyle', { metaContexts: [allocation], handshakeFlags: { fixedNewstyle: false } }],
    ] satisfies readonly (readonly [string, HandleOptions])[])(
      'are not available if %s',
      async (_, options) => {
        const nbd = await connect(transportTo(await memory()), { ...options, requireMetaContexts: false })
        await expectNoStatus(nbd)
        await nbd.shutdown()
      },
    )

    it.each([
      ['oldstyle', ['--oldstyle']],
      ['plain newstyle', ['--mask-handshake=0']],
      ['simple replies', ['--no-sr']],
    ])('A4: are not available with %s, which fails unless it is allowed', async (_, options) => {
      const transport = transportTo(await memory({ options }))
      await expect(connect(transport, { metaContexts: [allocation] })).rejects.toMatchObject({
        code: 'ERR_NBD_NEGOTIATION',
        message: expect.stringMatching(
          /^meta context "base:allocation" of export "": meta contexts need structured replies, /,
        ),
      })
      const nbd = await connect(transport, { metaContexts: [allocation], requireMetaContexts: false })
      await expectNoStatus(nbd)
      await nbd.shutdown()
    })

    // libnbd: nbd_add_meta_context, nbd_clear_meta_contexts, nbd_opt_list_meta_context
    // libnbd: nbd_aio_opt_list_meta_context, nbd_opt_list_meta_context_queries
    // libnbd: nbd_aio_opt_list_meta_context_queries
    it('are listed by query, without a selection', async () => {
      const nbd = await haggle(await memory(), { metaContexts: ['x-none:such'], requireMetaContexts: false })
      // The queries of the handle, unless others are given. An empty list requests all contexts.
      expect(await nbd.optListMetaContext()).toEqual([])
      expect(await nbd.optListMetaContext([])).toEqual([allocation])
      expect(await nbd.optListMetaContext([allocation])).toEqual([allocation])
      expect(await nbd.optListMetaContext(['base:'])).toEqual([allocation])
      expect(await nbd.optListMetaContext(['x-none:', 'x-none:such'])).toEqual([])
      nbd.clearMetaContexts()
      expect(await nbd.optListMetaContext()).toEqual([allocation])
      expect(() => nbd.info).toThrow('not known')
      nbd.addMetaContext('x-none:such')
      await nbd.optGo()
      await expectNoStatus(nbd)
      await nbd.shutdown()
    })

    it('are listed without losing what is known about the export', async () => {
      const nbd = await haggle(await memory(), { metaContexts: [allocation] })
      const info = await nbd.optInfo()
      expect(info.metaContexts).toEqual([allocation])
      expect(await nbd.optListMetaContext(['x-none:such'])).toEqual([])
      expect(nbd.info).toEqual(info)
      expect(nbd.canMetaContext(allocation)).toBe(true)
      await nbd.optGo()
      await expectStatus(nbd, allocation)
      await nbd.shutdown()
    })

    // libnbd: nbd_set_request_meta_context, nbd_opt_set_meta_context_queries
    // libnbd: nbd_aio_opt_set_meta_context_queries, nbd_can_meta_context
    it('are selected as a separate step, and stay if connect selects none', async () => {
      const nbd = await haggle(await memory(), { requestMetaContext: false })
      expect(nbd.canMetaContext(allocation)).toBe(false)
      expect(await nbd.optSetMetaContext([allocation])).toEqual([allocation])
      expect(nbd.canMetaContext(allocation)).toBe(true)
      // Without effect, because `requestMetaContext` is off.
      nbd.addMetaContext('x-none:such')
      await nbd.optGo()
      await expectStatus(nbd, allocation)
      await nbd.shutdown()
    })

    it.each([
      ['another selection', async (nbd: Handle) => nbd.optSetMetaContext(['x-none:such'])],
      ['an empty selection', async (nbd: Handle) => nbd.optSetMetaContext([])],
      ['another name', async (nbd: Handle) => nbd.setExportName('other')],
      [
        'a selection on the way',
        async (nbd: Handle) => {
          nbd.addMetaContext('x-none:such')
          nbd.setRequestMetaContext(true)
        },
      ],
    ])('are discarded after %s', async (_, change) => {
      const options = { requestMetaContext: false, requireMetaContexts: false }
      const nbd = await haggle(await memory(), options)
      expect(await nbd.optSetMetaContext([allocation])).toEqual([allocation])
      await change(nbd)
      await nbd.optGo()
      await expectNoStatus(nbd)
      await nbd.shutdown()
    })

    it('stay if the list of the handle is empty', async () => {
      const nbd = await haggle(await memory())
      await nbd.optSetMetaContext([allocation])
      await nbd.optGo()
      await expectStatus(nbd, allocation)
      await nbd.shutdown()
    })

    it('are known after optInfo, and selected again by optGo', async () => {
      const nbd = await haggle(await twoExports(), { exportName: 'first', metaContexts: [allocation] })
      expect(() => nbd.canMetaContext(allocation)).toThrow('are not known')
      expect((await nbd.optInfo()).metaContexts).toEqual([allocation])
      expect(nbd.canMetaContext(allocation)).toBe(true)
      nbd.setExportName('second')
      expect(() => nbd.canMetaContext(allocation)).toThrow('are not known')
      await nbd.optGo()
      await expectStatus(nbd, allocation)
      await nbd.shutdown()
    })

    it('belong to one export only', async () => {
      const options = { exportName: 'first', metaContexts: [allocation] }
      const nbd = await haggle(await twoExports(), { ...options, strict: { commands: false } })
      await nbd.optInfo()
      nbd.setRequestMetaContext(false)
      nbd.setExportName('second')
      expect((await nbd.optGo()).metaContexts).toEqual([])
      // The server rejects it too.
      await expect(nbd.blockStatus(512, 0)).rejects.toMatchObject({ code: 'ERR_NBD_SERVER', errno: 'EINVAL' })
      expect(await nbd.pread(512, 0)).toEqual(new Uint8Array(512))
      await nbd.shutdown()
    })

    it('are selected in a second attempt after a rejected name', async () => {
      const options = { exportName: 'third', metaContexts: [allocation] }
      const nbd = await haggle(await twoExports(), options)
      await expect(nbd.optGo()).rejects.toBeInstanceOf(NbdNegotiationError)
      await expect(nbd.optInfo()).rejects.toBeInstanceOf(NbdNegotiationError)
      expect(nbd.state).toBe('negotiating')
      nbd.setExportName('second')
      await nbd.optGo()
      await expectStatus(nbd, allocation)
      await nbd.shutdown()
    })

    // libnbd: nbd_opt_set_meta_context, nbd_aio_opt_set_meta_context
    it('need structured replies, which may be negotiated late', async () => {
      const options = { requestStructuredReplies: false, metaContexts: [allocation] }
      const nbd = await haggle(await memory(), options)
      const { bytesSent } = nbd.stats
      await expect(nbd.optSetMetaContext()).rejects.toMatchObject({
        code: 'ERR_NBD_NEGOTIATION',
        option: 'NBD_OPT_SET_META_CONTEXT',
        reply: undefined,
        errno: 'ENOTSUP',
      })
      expect(nbd.stats.bytesSent).toBe(bytesSent)
      expect((await nbd.optInfo()).metaContexts).toEqual([])
      expect(await nbd.optStructuredReply()).toBe(true)
      expect(await nbd.optSetMetaContext()).toEqual([allocation])
      expect(nbd.info.metaContexts).toEqual([allocation])
      await nbd.optGo()
      await expectStatus(nbd, allocation)
      await nbd.shutdown()
    })

    it('cannot be requested if only NBD_OPT_EXPORT_NAME exists', async () => {
      const nbd = await haggle(await memory({ options: ['--mask-handshake=0'] }), {
        metaContexts: [allocation],
        requireMetaContexts: false,
      })
      const refused = { code: 'ERR_NBD_NEGOTIATION', errno: 'ENOTSUP' }
      const { bytesSent } = nbd.stats
      await expect(nbd.optListMetaContext()).rejects.toMatchObject(refused)
      await expect(nbd.optSetMetaContext()).rejects.toMatchObject(refused)
      expect(nbd.stats.bytesSent).toBe(bytesSent)
      await nbd.optGo()
      await expectNoStatus(nbd)
      await nbd.shutdown()
    })

    it('have names of at most 4096 bytes', async () => {
      const tooLong = { code: 'ERR_NBD_USAGE', errno: 'ENAMETOOLONG' }
      const name = `base:${'x'.repeat(4092)}`
      expect(() => new Handle({ metaContexts: [name] })).toThrow(expect.objectContaining(tooLong))
      const nbd = await haggle(await memory())
      expect(() => nbd.addMetaContext(name)).toThrow(expect.objectContaining(tooLong))
      await expect(nbd.optListMetaContext([name])).rejects.toMatchObject(tooLong)
      await expect(nbd.optSetMetaContext([name])).rejects.toMatchObject(tooLong)
      expect(await nbd.optListMetaContext([name.slice(1)])).toEqual([])
      await nbd.optAbort()
    })
  })

  describeWith('the contexts of qemu-nbd', { programs: ['qemu-img', 'qemu-nbd'], installation }, () => {
    const serve = async (): Promise<ServerPeer> => {
      const image = await qcow2Image(installation, { size: MiB })
      for (const name of ['one', 'two']) await qemuImg(installation, 'bitmap', '--add', image, name)
      const options = ['--read-only', '--allocation-depth', '--bitmap=one', '--bitmap=two']
      return qemuNbd({ installation, image, format: 'qcow2', exportName: 'disk', options })
    }

    it('are listed by query and by wildcard', async () => {
      const nbd = await haggle(await serve(), { exportName: 'disk' })
      const list = async (...queries: readonly string[]): Promise<readonly string[]> =>
        [...(await nbd.optListMetaContext(queries))].sort()
      const all = [allocation, depth, ...bitmaps].sort()
      expect(await list()).toEqual(all)
      expect(await list('base:')).toEqual([allocation])
      expect(await list('qemu:')).toEqual(all.filter((name) => name !== allocation))
      expect(await list(MetaContextName.QemuDirtyBitmap)).toEqual(bitmaps)
      expect(await list('base:allocation', 'qemu:allocation-depth')).toEqual([allocation, depth])
      expect(await list('qemu:dirty-bitmap:two')).toEqual([bitmaps[1]])
      expect(await list('x-none:', 'base:none', 'qemu:dirty-bitmap:three')).toEqual([])
      await nbd.optAbort()
    })

    it('are selected by complete names, not by wildcard', async () => {
      const nbd = await haggle(await serve(), { exportName: 'disk', requestMetaContext: false })
      expect(await nbd.optSetMetaContext(['base:'])).toEqual([])
      expect(await nbd.optSetMetaContext(['x-none:such', allocation])).toEqual([allocation])
      const all = [allocation, depth, ...bitmaps]
      expect([...(await nbd.optSetMetaContext(all))].sort()).toEqual([...all].sort())
      await nbd.optGo()
      await expectStatus(nbd, ...all)
      await nbd.shutdown()
    })

    it('need an existing export', async () => {
      const options = { exportName: 'other', metaContexts: [allocation] }
      const nbd = await haggle(await serve(), options)
      const unknown = { code: 'ERR_NBD_NEGOTIATION', reply: 'NBD_REP_ERR_UNKNOWN', errno: 'ENOENT' }
      await expect(nbd.optListMetaContext()).rejects.toMatchObject(unknown)
      await expect(nbd.optSetMetaContext()).rejects.toMatchObject(unknown)
      await expect(nbd.optGo()).rejects.toMatchObject(unknown)
      nbd.setExportName('disk')
      await nbd.optGo()
      await expectStatus(nbd, allocation)
      await nbd.shutdown()
    })

    it('are lost if a later selection fails', async () => {
      const nbd = await haggle(await serve(), { exportName: 'disk', requestMetaContext: false })
      expect(await nbd.optSetMetaContext([allocation])).toEqual([allocation])
      nbd.setExportName('other')
      await expect(nbd.optSetMetaContext([allocation])).rejects.toBeInstanceOf(NbdNegotiationError)
      nbd.setExportName('disk')
      await nbd.optGo()
      await expectNoStatus(nbd)
      await nbd.shutdown()
    })

    it('F7: are discarded after another name, even if the first name returns', async () => {
      const nbd = await haggle(await serve(), { exportName: 'disk', requestMetaContext: false })
      await nbd.optSetMetaContext([depth])
      nbd.setExportName('other')
      await expect(nbd.optInfo()).rejects.toBeInstanceOf(NbdNegotiationError)
      expect(nbd.canMetaContext(depth)).toBe(false)
      nbd.setExportName('disk')
      await nbd.optGo()
      await expectNoStatus(nbd)
      await nbd.shutdown()
    })

    it('A4: fail the connection if a bitmap is misspelt, and the error lists the available ones', async () => {
      const transport = transportTo(await serve())
      const metaContexts = [allocation, 'qemu:dirty-bitmap:mistyped']
      await expect(connect(transport, { exportName: 'disk', metaContexts })).rejects.toMatchObject({
        code: 'ERR_NBD_NEGOTIATION',
        option: 'NBD_OPT_SET_META_CONTEXT',
        message: expect.stringMatching(
          /^meta context "qemu:dirty-bitmap:mistyped" of export "disk": the server does not provide it, it offers .*"qemu:dirty-bitmap:one"/,
        ),
      })
      const options = { exportName: 'disk', metaContexts, requireMetaContexts: false }
      const nbd = await connect(transport, options)
      await expectStatus(nbd, allocation)
      expect(nbd.info.missingMetaContexts).toEqual(['qemu:dirty-bitmap:mistyped'])
      await nbd.shutdown()
    })

    it('A4: name the export if the export is unknown', async () => {
      const transport = transportTo(await serve())
      const options = { exportName: 'other', metaContexts: [allocation] }
      await expect(connect(transport, options)).rejects.toMatchObject({
        errno: 'ENOENT',
        message: expect.stringContaining('of export "other": server replied NBD_REP_ERR_UNKNOWN'),
      })
    })

    it('are rejected with simple replies by the server if the client checks nothing', async () => {
      const options = { exportName: 'disk', strict: { commands: false }, requestStructuredReplies: false }
      const wanted = { metaContexts: [allocation], requireMetaContexts: false }
      const nbd = await connect(transportTo(await serve()), { ...options, ...wanted })
      await expect(nbd.blockStatus(512, 0)).rejects.toMatchObject({ code: 'ERR_NBD_SERVER', errno: 'EINVAL' })
      expect(await nbd.pread(512, 0)).toEqual(new Uint8Array(512))
      await nbd.shutdown()
    })
  })
})

describeWith('nbd-server', { programs: ['nbd-server'], installation: 'host' }, () => {
  const serve = () => nbdServer({ exports: { disk: { exportname: diskImage(MiB) } } })

  it('A4: has no contexts, which fails unless it is allowed', async () => {
    const transport = transportTo(await serve())
    const options = { exportName: 'disk', metaContexts: [allocation] }
    await expect(connect(transport, options)).rejects.toMatchObject({
      code: 'ERR_NBD_NEGOTIATION',
      message:
        'meta context "base:allocation" of export "disk": meta contexts need structured replies, which the server does not support: pass requireMetaContexts: false to connect without it',
    })
    const nbd = await connect(transport, { ...options, requireMetaContexts: false })
    await expectNoStatus(nbd)
    await nbd.shutdown()
  })

  it('rejects their list and selection, and continues', async () => {
    const options = { exportName: 'disk', metaContexts: [allocation], requireMetaContexts: false }
    const nbd = await haggle(await serve(), options)
    const refused = { code: 'ERR_NBD_NEGOTIATION', errno: 'ENOTSUP' }
    await expect(nbd.optListMetaContext()).rejects.toMatchObject({ ...refused, reply: 'NBD_REP_ERR_UNSUP' })
    await expect(nbd.optSetMetaContext()).rejects.toMatchObject(refused)
    expect(await nbd.optStructuredReply()).toBe(false)
    expect(await nbd.optExtendedHeaders()).toBe(false)
    await nbd.optGo()
    await expectNoStatus(nbd)
    await nbd.shutdown()
  })
})
