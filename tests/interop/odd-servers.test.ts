import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { connect, Handle, type HandleOptions, NbdServerError } from '@nbdjs/core'
import { firstDifference } from './first-difference.js'
import { noise } from './noise.js'
import { describeWith } from './peers/describe-with.js'
import { installations } from './peers/installation.js'
import { type NbdkitOptions, nbdkit } from './peers/nbdkit.js'
import { scratchFolder } from './peers/scratch.js'
import { transportTo } from './transport-to.js'

const MiB = 2 ** 20

/** The pattern of nbdkit below 4 GiB: each 8 bytes are their own offset, big-endian (nbdkit-pattern-plugin(1)). */
const pattern = (offset: number, length: number): Uint8Array => {
  const first = offset - (offset % 8)
  const words = Math.ceil((offset + length - first) / 8)
  const view = new DataView(new ArrayBuffer(words * 8))
  for (let index = 0; index < words; index++) view.setUint32(index * 8 + 4, first + index * 8)
  return new Uint8Array(view.buffer, offset - first, length)
}

/** The methods of nbdkit-sh-plugin(3) for a small disk. */
const diskScript = `#!/bin/sh
case "$1" in
  config) [ "$2" = disk ] && printf %s "$3" > "$tmpdir/disk" ;;
  get_size) echo 65536 ;;
  pread) dd if="$(cat "$tmpdir/disk")" skip=$4 count=$3 iflag=skip_bytes,count_bytes status=none ;;
  can_write) exit 0 ;;
  pwrite) dd of="$(cat "$tmpdir/disk")" seek=$4 oflag=seek_bytes conv=notrunc status=none ;;
  *) exit 2 ;;
esac
`

/** The requests in the output of nbdkit's log filter, without time, connection and id. */
const requestsIn = (logFile: string): readonly string[] =>
  readFileSync(logFile, 'utf8')
    .split('\n')
    .flatMap(
      (line) =>
        / connection=\d+ (Read|Write|Zero|Trim|Cache|Flush) id=\d+ ?(.*) \.\.\.$/
          .exec(line)
          ?.slice(1, 3)
          .join(' ') ?? [],
    )

describe.each(installations)('%s', (installation) => {
  const serve = (options: Omit<NbdkitOptions, 'installation'>) => nbdkit({ installation, ...options })
  const handleTo = async (
    options: Omit<NbdkitOptions, 'installation'>,
    handleOptions: HandleOptions = {},
  ): Promise<Handle> => connect(transportTo(await serve(options)), handleOptions)

  describeWith('nbdkit', { programs: ['nbdkit'], installation }, () => {
    it('returns its pattern at every offset, in one read or in many', async () => {
      const nbd = await handleTo({ plugin: 'pattern', parameters: ['1G'] })
      for (const [offset, length] of [
        [0, 512],
        [3, 1],
        [13, 100_003],
        [2 ** 30 - 1, 1],
        [2 ** 29 - 5, 8 * MiB],
      ] as const) {
        expect(firstDifference(await nbd.pread(length, offset), pattern(offset, length))).toBeUndefined()
      }
      const length = 256 * 1024
      const offsets = Array.from({ length: 64 }, (_, index) => index * length)
      const pieces = await Promise.all(offsets.map((offset) => nbd.pread(length, offset)))
      for (const [index, piece] of pieces.entries()) {
        expect(firstDifference(piece, pattern(index * length, length))).toBeUndefined()
      }
      await nbd.shutdown()
    })

    it('exports 2^63-1 bytes, and can be read at the end', async () => {
      const nbd = await handleTo({ plugin: 'null', parameters: ['9223372036854775807'] })
      expect(nbd.info.size).toBe(2n ** 63n - 1n)
      expect(await nbd.pread(7, 2n ** 63n - 8n)).toEqual(new Uint8Array(7))
      await expect(nbd.pread(8, 2n ** 63n - 8n)).rejects.toMatchObject({ errno: 'EINVAL' })
      await nbd.pwrite(noise(1), 2n ** 63n - 2n)
      await nbd.shutdown()
    })

    it('has an empty export', async () => {
      const nbd = await handleTo({ plugin: 'null', parameters: ['0'] })
      expect(nbd.info.size).toBe(0n)
      await expect(nbd.pread(1, 0)).rejects.toMatchObject({ code: 'ERR_NBD_USAGE', errno: 'EINVAL' })
      await nbd.flush()
      await nbd.shutdown()
    })

    it.each([
      ...['EPERM', 'EIO', 'ENOMEM', 'EINVAL', 'ENOSPC', 'ESHUTDOWN'].map((errno) => [errno, errno] as const),
      // nbdkit uses these errors for other commands.
      ...['EOVERFLOW', 'ENOTSUP'].map((errno) => [errno, 'EINVAL'] as const),
    ])('fails only one command with %s, reported as %s', async (cause, errno) => {
      // The first MiB can be read.
      const pread = `pread=if [ $4 -lt ${MiB} ]; then head -c $3 /dev/zero; else echo '${cause} bad sector' >&2; exit 1; fi`
      const nbd = await handleTo({ plugin: 'eval', parameters: ['get_size=echo 2M', pread] })
      const good = nbd.pread(4096, 0)
      const bad = nbd.pread(4096, MiB)
      const alsoGood = nbd.pread(4096, 4096)
      await expect(bad).rejects.toBeInstanceOf(NbdServerError)
      await expect(bad).rejects.toMatchObject({
        errno,
        command: 'pread',
        offset: BigInt(MiB),
        length: 4096n,
        message: expect.stringMatching(`pread of 4096 bytes at 1048576: server replied ${errno}`),
      })
      expect(await good).toEqual(new Uint8Array(4096))
      expect(await alsoGood).toEqual(new Uint8Array(4096))
      expect(nbd.state).toBe('ready')
      await nbd.shutdown()
      expect(nbd.state).toBe('closed')
    })

    it.each([true, false])(
      'fails writes, trims, zeroes and flushes too (structured replies: %s)',
      async (isStructured) => {
        const fail = (call: string) => [
          `can_${call}=exit 0`,
          `${call === 'write' ? 'pwrite' : call}=echo EIO >&2; exit 1`,
        ]
        const parameters = [
          'get_size=echo 1M',
          'pread=head -c $3 /dev/zero',
          ...['write', 'trim', 'zero', 'flush'].flatMap(fail),
        ]
        const nbd = await handleTo({ plugin: 'eval', parameters }, { requestStructuredReplies: isStructured })
        const eio = { code: 'ERR_NBD_SERVER', errno: 'EIO' }
        await expect(nbd.pwrite(noise(512), 0)).rejects.toMatchObject({ ...eio, command: 'pwrite' })
        await expect(nbd.trim(512, 0)).rejects.toMatchObject({ ...eio, command: 'trim' })
        await expect(nbd.zero(512, 0)).rejects.toMatchObject({ ...eio, command: 'zero' })
        await expect(nbd.flush()).rejects.toMatchObject({ ...eio, command: 'flush' })
        expect(await nbd.pread(512, 0)).toEqual(new Uint8Array(512))
        await nbd.shutdown()
      },
    )

    it('rejects a slow zero with fastZero, and accepts it without', async () => {
      const zero = 'zero=case "$5" in *fast*) echo ENOTSUP >&2; exit 1;; esac'
      const nbd = await handleTo({
        plugin: 'eval',
        parameters: [
          'get_size=echo 1M',
          'pread=head -c $3 /dev/zero',
          ...['can_write', 'can_zero', 'can_fast_zero'].map((call) => `${call}=exit 0`),
          'pwrite=cat >/dev/null',
          zero,
        ],
      })
      expect(nbd.info).toMatchObject({ canZero: true, canFastZero: true })
      const slow = { code: 'ERR_NBD_SERVER', errno: 'ENOTSUP', command: 'zero' }
      await expect(nbd.zero(512, 0, { fastZero: true })).rejects.toMatchObject(slow)
      await nbd.zero(512, 0)
      await nbd.shutdown()
    })

    it('fails about every second read, and the others are right', async () => {
      const parameters = ['16M', 'error-pread=EIO', 'error-pread-rate=50%']
      const nbd = await handleTo({ plugin: 'pattern', filters: ['error'], parameters })
      const results = await Promise.allSettled(
        Array.from({ length: 200 }, (_, index) => nbd.pread(4096, index * 4096)),
      )
      for (const [index, result] of results.entries()) {
        if (result.status === 'rejected')
          expect(result.reason).toMatchObject({ errno: 'EIO', offset: BigInt(index * 4096) })
        else expect(firstDifference(result.value, pattern(index * 4096, 4096))).toBeUndefined()
      }
      const failed = results.filter(({ status }) => status === 'rejected').length
      expect(failed).toBeGreaterThan(0)
      expect(failed).toBeLessThan(200)
      await nbd.shutdown()
    })

    it('replies out of order: a write overtakes a slow read', async () => {
      const nbd = await handleTo({
        plugin: 'memory',
        filters: ['delay'],
        parameters: ['1M', 'delay-read=300ms'],
      })
      const order: string[] = []
      const read = nbd.pread(4096, 0).then(() => order.push('read'))
      const write = nbd.pwrite(noise(4096), 8192).then(() => order.push('write'))
      await Promise.all([read, write])
      expect(order).toEqual(['write', 'read'])
      await nbd.shutdown()
    })

    it('can be aborted while it is slow, and the late reply has no effect', async () => {
      const nbd = await handleTo({
        plugin: 'pattern',
        filters: ['delay'],
        parameters: ['1M', 'delay-read=200ms'],
      })
      const into = new Uint8Array(65536)
      const controller = new AbortController()
      const aborted = nbd.preadInto(into, 0, { signal: controller.signal })
      const neighbour = nbd.pread(4096, 65536)
      await delay(20)
      controller.abort()
      await expect(aborted).rejects.toBe(controller.signal.reason)
      expect(firstDifference(await neighbour, pattern(65536, 4096))).toBeUndefined()
      expect(into).toEqual(new Uint8Array(65536))
      expect(firstDifference(await nbd.pread(4096, 0), pattern(0, 4096))).toBeUndefined()
      await nbd.shutdown()
    })

    it('answers all commands in flight before a shutdown resolves', async () => {
      const nbd = await handleTo({
        plugin: 'pattern',
        filters: ['delay'],
        parameters: ['1M', 'delay-read=200ms'],
      })
      const read = nbd.pread(4096, 4096)
      const shutdown = nbd.shutdown()
      await expect(nbd.pread(4096, 0)).rejects.toMatchObject({ code: 'ERR_NBD_STATE' })
      expect(firstDifference(await read, pattern(4096, 4096))).toBeUndefined()
      await shutdown
      expect(nbd.state).toBe('closed')
    })

    it('times out after requestMs without progress', async () => {
      const filters = ['delay']
      const parameters = ['1M', 'delay-read=60']
      const nbd = await handleTo({ plugin: 'memory', filters, parameters }, { timeouts: { requestMs: 200 } })
      const cause = expect.objectContaining({ errno: 'ETIMEDOUT' })
      const lost = { code: 'ERR_NBD_TRANSPORT', errno: 'ENOTCONN', cause, isConnectionLost: true }
      await expect(nbd.pread(1, 0)).rejects.toMatchObject(lost)
      expect(nbd.state).toBe('dead')
      await expect(nbd.closed).rejects.toMatchObject(lost)
    })

    it('advertises block sizes, which both sides check', async () => {
      const server = await serve({
        plugin: 'memory',
        filters: ['blocksize-policy'],
        parameters: [
          '8M',
          ...['blocksize-minimum=512', 'blocksize-preferred=4096', 'blocksize-maximum=2M'],
          'blocksize-error-policy=error',
        ],
      })
      const strict = await connect(transportTo(server))
      expect(strict.info.blockSize).toEqual({
        minimum: 512,
        preferred: 4096,
        maximum: 2 * MiB,
        payload: 2 * MiB,
      })
      const usage = { code: 'ERR_NBD_USAGE', errno: 'EINVAL' }
      await expect(strict.pread(100, 0)).rejects.toMatchObject(usage)
      await expect(strict.pread(512, 100)).rejects.toMatchObject(usage)
      await expect(strict.pwrite(noise(4 * MiB), 0)).rejects.toMatchObject({ ...usage, errno: 'ERANGE' })
      await strict.pwrite(noise(2 * MiB), 512)
      await strict.shutdown()

      const lax = await connect(transportTo(server), { strict: { align: false, payload: false } })
      const refused = { code: 'ERR_NBD_SERVER', errno: 'EINVAL' }
      await expect(lax.pread(100, 0)).rejects.toMatchObject(refused)
      await expect(lax.pwrite(noise(4 * MiB), 0)).rejects.toMatchObject(refused)
      expect(await lax.pread(512, 4 * MiB)).toEqual(new Uint8Array(512))
      await lax.shutdown()
    })

    it('can be read without extents', async () => {
      const nbd = await handleTo({ plugin: 'memory', filters: ['noextents'], parameters: ['64M'] })
      const data = noise(MiB)
      await nbd.pwrite(data, 32 * MiB)
      const read = await nbd.pread(33 * MiB, 0)
      expect(firstDifference(read.subarray(32 * MiB), data)).toBeUndefined()
      expect(read.subarray(0, 32 * MiB).every((byte) => byte === 0)).toBe(true)
      await nbd.shutdown()
    })

    it('logs each request with the right flags', async () => {
      const logFile = join(scratchFolder(), 'requests.log')
      const parameters = ['1M', `logfile=${logFile}`]
      const nbd = await handleTo({ plugin: 'memory', filters: ['log'], parameters })
      await nbd.pread(512, 1024)
      await nbd.pwrite(noise(100), 7)
      await nbd.pwrite(noise(100), 7, { fua: true })
      await nbd.zero(4096, 8192)
      await nbd.zero(4096, 8192, { noHole: true, fua: true })
      await nbd.zero(4096, 8192, { fastZero: true })
      await nbd.trim(65536, 65536)
      await nbd.trim(65536, 65536, { fua: true })
      await nbd.cache(4096, 0)
      await nbd.flush()
      await nbd.shutdown()
      expect(requestsIn(logFile)).toEqual([
        'Read offset=0x400 count=0x200',
        'Write offset=0x7 count=0x64 fua=0',
        'Write offset=0x7 count=0x64 fua=1',
        'Zero offset=0x2000 count=0x1000 trim=1 fua=0 fast=0',
        'Zero offset=0x2000 count=0x1000 trim=0 fua=1 fast=0',
        'Zero offset=0x2000 count=0x1000 trim=1 fua=0 fast=1',
        'Trim offset=0x10000 count=0x10000 fua=0',
        'Trim offset=0x10000 count=0x10000 fua=1',
        'Cache offset=0x0 count=0x1000',
        'Flush ',
      ])
      expect(readFileSync(logFile, 'utf8')).toMatch(/Disconnect transactions=10/)
    })

    it('rejects ranges beyond the end if the client checks nothing', async () => {
      const nbd = await handleTo(
        { plugin: 'memory', parameters: ['1M'] },
        { strict: { bounds: false, zeroSize: false } },
      )
      await expect(nbd.pread(4096, MiB)).rejects.toMatchObject({ code: 'ERR_NBD_SERVER', errno: 'EINVAL' })
      await expect(nbd.pwrite(noise(1), MiB)).rejects.toMatchObject({
        code: 'ERR_NBD_SERVER',
        errno: 'ENOSPC',
      })
      await expect(nbd.pread(1, 2n ** 62n)).rejects.toMatchObject({ code: 'ERR_NBD_SERVER', errno: 'EINVAL' })
      expect(await nbd.pread(1, 0)).toEqual(new Uint8Array(1))
      await nbd.shutdown()
    })

    it('can offer only reads', async () => {
      const nbd = await handleTo({
        plugin: 'eval',
        parameters: ['get_size=echo 1M', 'pread=head -c $3 /dev/zero'],
      })
      expect(nbd.info).toMatchObject({ readOnly: true, canFlush: false, canFua: false, canTrim: false })
      const usage = { code: 'ERR_NBD_USAGE', errno: 'EINVAL' }
      await expect(nbd.flush()).rejects.toMatchObject(usage)
      await expect(nbd.pread(512, 0)).resolves.toHaveLength(512)
      await nbd.shutdown()
    })

    it('can reject the export in its script', async () => {
      const parameters = ["open=echo 'EACCES not for you' >&2; exit 1", 'get_size=echo 1M', 'pread=exit 1']
      const nbd = new Handle()
      const connecting = nbd.connect(transportTo(await serve({ plugin: 'eval', parameters })))
      await expect(connecting).rejects.toMatchObject({ code: 'ERR_NBD_NEGOTIATION', option: 'NBD_OPT_GO' })
      expect(nbd.state).toBe('dead')
    })

    it('can run a script that keeps its disk in a file', async () => {
      const folder = scratchFolder()
      const script = join(folder, 'disk.sh')
      writeFileSync(script, diskScript, { mode: 0o755 })
      writeFileSync(join(folder, 'disk'), '')
      truncateSync(join(folder, 'disk'), 65536)
      const nbd = await handleTo({ plugin: 'sh', parameters: [script, `disk=${join(folder, 'disk')}`] })
      expect(nbd.info).toMatchObject({ size: 65536n, canFua: false, canTrim: false })
      const data = noise(4096)
      await nbd.pwrite(data, 512)
      expect(await nbd.pread(4096, 512)).toEqual(data)
      expect(
        readFileSync(join(folder, 'disk'))
          .subarray(512, 512 + 4096)
          .compare(data),
      ).toBe(0)
      await nbd.shutdown()
    })

    it('serves two handles at once with the same disk', async () => {
      const transport = transportTo(await serve({ plugin: 'memory', parameters: ['1M'] }))
      const [one, two] = await Promise.all([connect(transport), connect(transport)])
      expect(one.info.canMultiConn).toBe(true)
      const data = noise(4096)
      await one.pwrite(data, 0)
      await one.flush()
      expect(await two.pread(4096, 0)).toEqual(data)
      await one.shutdown()
      expect(await two.pread(4096, 0)).toEqual(data)
      await two.shutdown()
    })

    it('connects with oldstyle, without an export name', async () => {
      const server = await serve({ plugin: 'memory', parameters: ['1M'], options: ['--oldstyle'] })
      const nbd = await connect(transportTo(server), { exportName: 'any' })
      expect(nbd.session).toMatchObject({ protocol: 'oldstyle', structuredReplies: false })
      expect(nbd.info).toMatchObject({ size: BigInt(MiB), canFlush: true })
      const data = noise(4096)
      await nbd.pwrite(data, 1000)
      expect(await nbd.pread(4096, 1000)).toEqual(data)
      await nbd.shutdown()
      expect(nbd.state).toBe('closed')
    })
  })
})
