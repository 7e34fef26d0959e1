import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { memoryBackend } from '@nbdjs/server'
import { noise } from '../peer/noise.js'

const MiB = 1024 * 1024

describe('memory', () => {
  it('can do all that a backend can do', () => {
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

  it('says of itself what it was told', () => {
    const options = { readOnly: true, rotational: true, description: 'a disk', blockSize: { minimum: 512 } }
    expect(memoryBackend(2n ** 63n - 1n, options)).toMatchObject({ size: 2n ** 63n - 1n, ...options })
  })

  it('answers at once, with what was written', () => {
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
    expect(disk.allocated).toBe(65536)
  })

  // spec: server/command-flags/no-hole, server/write-zeroes/no-hole-is-allocated, server/write-zeroes/reads-as-zero
  it('zeroes with and without a hole', () => {
    const disk = memoryBackend(MiB, { content: noise(65536) })
    disk.zero(65536, 0, { noHole: true, fastZero: true })
    expect(disk.read(65536, 0)).toEqual(new Uint8Array(65536))
    disk.zero(65536, 0, { noHole: false, fastZero: true })
    expect(disk.read(65536, 0)).toEqual([{ hole: 65536 }])
  })

  it('allocates no more than 32 MiB for one request, and frees nothing of a longer one', () => {
    const disk = memoryBackend(2 ** 40, { content: noise(65536) })
    disk.zero(32 * MiB + 1, 0, { noHole: true, fastZero: false })
    expect(disk.read(65536, 0)).toEqual(new Uint8Array(65536))
    expect(disk.allocated).toBe(65536)
    disk.zero(32 * MiB, MiB, { noHole: true, fastZero: false })
    expect(disk.allocated).toBe(65536 + 32 * MiB)
  })

  // spec: server/command-flags/fast-zero-or-fail
  it('is not fast with a long range without a hole', () => {
    const disk = memoryBackend(2 ** 40)
    expect(() => disk.zero(32 * MiB + 1, 0, { noHole: true, fastZero: true })).toThrow(
      expect.objectContaining({
        code: 'ENOTSUP',
        message: 'zeroes of 33554433 bytes without a hole are not fast: at most 33554432 are',
      }),
    )
    disk.zero(0xffffffff, 0, { noHole: false, fastZero: true })
    expect(disk.allocated).toBe(0)
  })

  it('takes no more memory than its limit', () => {
    const disk = memoryBackend(MiB, { limit: 65536 })
    disk.write(noise(10), 0)
    expect(() => disk.write(noise(10), 65536)).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
  })

  it.each([
    [() => memoryBackend(10, { content: noise(11) }), 'content has 11 bytes: expected at most the size, 10'],
    [() => memoryBackend(10, { limit: -1 }), 'limit is -1: expected a number of bytes'],
    [() => memoryBackend(10, { limit: Number.NaN }), 'limit is NaN: expected a number of bytes'],
  ])('refuses what cannot be', (make, message) => {
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(message)
  })
})
