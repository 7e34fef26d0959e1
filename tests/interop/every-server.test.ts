import { expect, it } from '@jest/globals'
import { connect, Handle, type HandleOptions } from '@nbdjs/core'
import { firstDifference } from './first-difference.js'
import { kindsOfServer } from './kinds-of-server.js'
import { noise } from './noise.js'
import { describeWith } from './peers/describe-with.js'
import { nbdkit } from './peers/nbdkit.js'
import { transportTo } from './transport-to.js'

const MiB = 2 ** 20

const expectBytes = (actual: Uint8Array, expected: Uint8Array): void => {
  expect(firstDifference(actual, expected)).toBeUndefined()
}

const listenOn = ['unix', '127.0.0.1', '::1'] as const

/** Options of the handshake. A server that lacks a feature rejects it, and the session works without. */
const negotiations: readonly (readonly [string, HandleOptions])[] = [
  ['all features', {}],
  ['structured replies, without extended headers', { requestExtendedHeaders: false }],
  ['simple replies', { requestStructuredReplies: false }],
  ['zeroes after the reply to NBD_OPT_EXPORT_NAME', { handshakeFlags: { noZeroes: false } }],
  ['plain newstyle', { handshakeFlags: { fixedNewstyle: false } }],
  ['plain newstyle, with zeroes', { handshakeFlags: { fixedNewstyle: false, noZeroes: false } }],
  ['no block sizes', { requestBlockSize: false }],
  ['name and description', { fullInfo: true }],
]

for (const kind of kindsOfServer) {
  const { exportName, hasStructuredReplies, hasExtendedHeaders } = kind
  describeWith(kind.name, { programs: [kind.program], installation: kind.installation }, () => {
    // spec: client/baseline/notls, client/baseline/transmission
    // libnbd: nbd_connect_tcp, nbd_aio_connect_tcp, nbd_connect_unix, nbd_aio_connect_unix
    it.each(listenOn)(
      'connects, reads, writes, zeroes, trims, flushes and shuts down over %s',
      async (where) => {
        const { server, stored } = await kind.start(where, 8 * MiB)
        const nbd = new Handle({ exportName })
        const info = await nbd.connect(transportTo(server))
        expect(nbd.state).toBe('ready')
        expect(info).toMatchObject({
          name: exportName,
          size: BigInt(8 * MiB),
          readOnly: false,
          canFlush: true,
        })
        expect(nbd.session).toMatchObject({
          protocol: 'newstyle-fixed',
          structuredReplies: hasStructuredReplies,
          extendedHeaders: hasExtendedHeaders,
          handshakeFlags: { fixedNewstyle: true, noZeroes: true },
        })

        const data = noise(MiB)
        await nbd.pwrite(data, 4096)
        expectBytes(await nbd.pread(data.length, 4096n), data)
        expectBytes(await nbd.pread(4096, 0), new Uint8Array(4096))

        const last = noise(512)
        await nbd.pwrite(last, info.size - 512n)
        const into = new Uint8Array(512)
        await nbd.preadInto(into, info.size - 512n)
        expectBytes(into, last)

        if (info.canZero) {
          await nbd.zero(65536, 8192)
          data.fill(0, 4096, 4096 + 65536)
          expectBytes(await nbd.pread(data.length, 4096), data)
        }
        // The content of trimmed blocks is undefined: only their neighbours are checked.
        if (info.canTrim) await nbd.trim(65536, 2 * MiB)
        await nbd.flush()
        expectBytes(await nbd.pread(data.length, 4096), data)
        if (stored !== undefined) expectBytes(stored().subarray(4096, 4096 + data.length), data)

        await nbd.shutdown()
        expect(nbd.state).toBe('closed')
        await nbd.closed
        expect(nbd.inFlight).toBe(0)
      },
    )

    it.each(negotiations)('reads and writes with %s', async (_, options) => {
      const { server } = await kind.start('unix', MiB)
      const nbd = await connect(transportTo(server), { ...options, exportName })
      const data = noise(10_000)
      await nbd.pwrite(data, 1)
      expectBytes(await nbd.pread(data.length, 1), data)
      expect(nbd.info.size).toBe(BigInt(MiB))
      expect(nbd.session.protocol).toBe(
        options.handshakeFlags?.fixedNewstyle === false ? 'newstyle' : 'newstyle-fixed',
      )
      expect(nbd.session.handshakeFlags.noZeroes).toBe(options.handshakeFlags?.noZeroes !== false)
      await nbd.shutdown()
      expect(nbd.state).toBe('closed')
    })

    it('returns the right data to each of 256 commands in flight', async () => {
      const { server } = await kind.start('unix', 16 * MiB)
      const nbd = await connect(transportTo(server), { exportName })
      const length = 32768
      const pieces = Array.from({ length: 256 }, () => noise(length))
      await Promise.all(pieces.map((piece, index) => nbd.pwrite(piece, index * length)))
      const read = await Promise.all(pieces.map((_, index) => nbd.pread(length, index * length)))
      expect(read.findIndex((piece, index) => Buffer.compare(piece, pieces[index] as Uint8Array) !== 0)).toBe(
        -1,
      )
      expect(nbd.inFlight).toBe(0)
      await nbd.shutdown()
    })

    it('reads and writes 16 MiB at the same time', async () => {
      const { server } = await kind.start('unix', 32 * MiB)
      const nbd = await connect(transportTo(server), { exportName })
      const first = noise(16 * MiB)
      const second = noise(16 * MiB)
      await nbd.pwrite(first, 0)
      const [read] = await Promise.all([nbd.pread(first.length, 0), nbd.pwrite(second, 16 * MiB)])
      expectBytes(read, first)
      expectBytes(await nbd.pread(second.length, 16 * MiB), second)
      await nbd.shutdown()
    })

    it('accepts the flags and commands that it advertises', async () => {
      const { server } = await kind.start('unix', MiB)
      const nbd = await connect(transportTo(server), { exportName })
      const { canFua, canZero, canCache, canTrim } = nbd.info
      expect(canFua).toBe(true)
      await nbd.pwrite(noise(4096), 0, { fua: true })
      if (canZero) await nbd.zero(4096, 0, { fua: true, noHole: true })
      if (canZero) expectBytes(await nbd.pread(4096, 0), new Uint8Array(4096))
      if (canTrim) await nbd.trim(4096, 8192, { fua: true })
      if (canCache) await nbd.cache(65536, 0)
      await nbd.shutdown()
    })

    it('counts sent and received bytes', async () => {
      const { server } = await kind.start('unix', MiB)
      const nbd = await connect(transportTo(server), { exportName, requestStructuredReplies: false })
      const before = nbd.stats
      await nbd.pwrite(noise(1000), 0)
      await nbd.pread(500, 0)
      // A request has 28 bytes, a simple reply 16.
      expect(nbd.stats.bytesSent - before.bytesSent).toBe(28 + 1000 + 28)
      expect(nbd.stats.bytesReceived - before.bytesReceived).toBe(16 + 16 + 500)
      await nbd.shutdown()
    })

    it('continues after a command that was aborted', async () => {
      const { server } = await kind.start('unix', 8 * MiB)
      const nbd = await connect(transportTo(server), { exportName })
      const data = noise(MiB)
      await nbd.pwrite(data, 0)
      const controller = new AbortController()
      const aborted = nbd.pread(4 * MiB, MiB, { signal: controller.signal })
      const neighbour = nbd.pread(data.length, 0)
      const reason = new Error('aborted by the test')
      setImmediate(() => controller.abort(reason))
      await expect(aborted).rejects.toBe(reason)
      expectBytes(await neighbour, data)
      expectBytes(await nbd.pread(data.length, 0), data)
      await nbd.shutdown()
      expect(nbd.state).toBe('closed')
    })

    it('fails all commands in flight if the server dies, and is dead', async () => {
      const { server } = await kind.start('unix', 64 * MiB)
      const nbd = await connect(transportTo(server), { exportName })
      await nbd.pwrite(noise(4096), 0)
      const commands = [nbd.pread(32 * MiB, 0), nbd.pread(32 * MiB, 32 * MiB), nbd.flush()]
      server.kill()
      const lost = { errno: 'ENOTCONN', isConnectionLost: true }
      for (const result of await Promise.allSettled(commands)) {
        expect(result).toMatchObject({ status: 'rejected', reason: lost })
      }
      await expect(nbd.closed).rejects.toMatchObject(lost)
      expect(nbd.state).toBe('dead')
      await expect(nbd.pread(1, 0)).rejects.toMatchObject(lost)
    })

    it('is dead if the server exits while no command is in flight', async () => {
      const { server } = await kind.start('unix', MiB)
      const nbd = await connect(transportTo(server), { exportName })
      await nbd.pwrite(noise(4096), 0)
      server.kill()
      const lost = { errno: 'ENOTCONN', isConnectionLost: true }
      await expect(nbd.closed).rejects.toMatchObject(lost)
      expect(nbd.state).toBe('dead')
      await expect(nbd.pread(1, 0)).rejects.toMatchObject(lost)
      await nbd.shutdown()
    })
  })
}

describeWith('a server that is gone', { programs: ['nbdkit'], installation: 'host' }, () => {
  it.each(listenOn)('rejects the dial over %s', async (where) => {
    const server = await nbdkit({ installation: 'host', listenOn: where, plugin: 'null' })
    await server.stop()
    const nbd = new Handle()
    const transport = transportTo(server)
    await expect(nbd.connect(transport)).rejects.toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      operation: 'dial',
      address: transport.address,
    })
    expect(nbd.state).toBe('dead')
  })
})
