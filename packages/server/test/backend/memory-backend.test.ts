import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { memoryBackend } from '@nbdjs/server'
import { noise } from '../peer/noise.js'

const MiB = 1024 * 1024

describe('memoryBackend', () => {
  it('supports every command', () => {
    expect(memoryBackend(MiB)).toMatchObject({
      size: MiB,
      readOnly: false,
      rotational: false,
      canMultiConn: true,
      canFua: true,
      canFastZero: true,
      description: '',
      blockSize: {},
    })
  })

  it('announces what its options say', () => {
    const options = { readOnly: true, rotational: true, description: 'a disk', blockSize: { minimum: 512 } }
    expect(memoryBackend(2n ** 63n - 1n, options)).toMatchObject({ size: 2n ** 63n - 1n, ...options })
  })

  it('answers synchronously with what was written', () => {
    const disk = memoryBackend(MiB)
    disk.write(noise(1000), 5)
    expect(disk.read(1000, 5)).toEqual(noise(1000))
    disk.flush()
    disk.cache()
    disk.trim(MiB, 0)
    expect(disk.read(1000, 5)).toEqual([{ hole: 1000 }])
  })

  it('begins with a copy of its content', () => {
    const content = noise(100)
    const disk = memoryBackend(MiB, { content })
    content.fill(0)
    expect(disk.read(100, 0)).toEqual(noise(100))
    expect(disk.allocated).toBe(4096)
  })

  // spec: server/command-flags/no-hole, server/write-zeroes/no-hole-is-allocated, server/write-zeroes/reads-as-zero
  it('zeroes with and without a hole', () => {
    const disk = memoryBackend(MiB, { content: noise(65536) })
    disk.zero(65536, 0, { noHole: true, fastZero: true })
    expect(disk.read(65536, 0)).toEqual(new Uint8Array(65536))
    disk.zero(65536, 0, { noHole: false, fastZero: true })
    expect(disk.read(65536, 0)).toEqual([{ hole: 65536 }])
  })

  it('allocates at most 32 MiB for one request without data, and frees nothing of a longer one', () => {
    const disk = memoryBackend(2 ** 40, { content: noise(65536) })
    disk.zero(32 * MiB + 1, 0, { noHole: true, fastZero: false })
    expect(disk.read(65536, 0)).toEqual(new Uint8Array(65536))
    expect(disk.allocated).toBe(65536)
    disk.zero(32 * MiB, MiB, { noHole: true, fastZero: false })
    expect(disk.allocated).toBe(65536 + 32 * MiB)
  })

  // spec: server/command-flags/fast-zero-or-fail
  it('fails a fast zero without a hole over a long range', () => {
    const disk = memoryBackend(2 ** 40)
    expect(() => disk.zero(32 * MiB + 1, 0, { noHole: true, fastZero: true })).toThrow(
      expect.objectContaining({
        code: 'ENOTSUP',
        message: '33554433 bytes of zeroes without a hole: at most 33554432 bytes are fast',
      }),
    )
    disk.zero(0xffffffff, 0, { noHole: false, fastZero: true })
    expect(disk.allocated).toBe(0)
  })

  it('G6: allocates at most 4 KiB for a written byte', () => {
    const disk = memoryBackend(2 ** 40)
    for (let index = 0; index < 20_000; index++) disk.write(Uint8Array.of(1), index * 2 ** 20)
    expect(disk.allocated).toBe(20_000 * 4096)
  })

  it('fails with ENOSPC beyond its limit', () => {
    const disk = memoryBackend(MiB, { limit: 65536 })
    disk.write(noise(65536), 0)
    expect(() => disk.write(noise(10), 65536)).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
  })

  it.each([
    [
      () => memoryBackend(10, { content: noise(11) }),
      'memoryBackend: content: expected at most 10 bytes, the size, received 11 bytes',
    ],
    [
      () => memoryBackend(10, { limit: -1 }),
      'memoryBackend: limit: expected a number of bytes, at least 0, received -1',
    ],
    [
      () => memoryBackend(10, { limit: Number.NaN }),
      'memoryBackend: limit: expected a number of bytes, at least 0, received NaN',
    ],
    [
      () => memoryBackend(1.5),
      'memoryBackend: size: expected an integer from 0 to 2^63 - 1, a bigint from 2^53 on, received 1.5',
    ],
    [
      () => memoryBackend(2n ** 63n),
      'memoryBackend: size: expected an integer from 0 to 2^63 - 1, a bigint from 2^53 on, received 9223372036854775808n',
    ],
    [
      () => memoryBackend(10, { readonly: true } as never),
      "memoryBackend: unknown option 'readonly', expected one of content, limit, readOnly, rotational, description, blockSize, metaContexts",
    ],
  ])('rejects a wrong argument: %#', (make, message) => {
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(message)
  })
})
