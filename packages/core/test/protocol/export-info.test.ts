import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type AgreedFeatures, type ExportReply, exportInfo } from '../../src/protocol/export-info.js'
import { TransmissionFlag } from '../../src/wire/constants.js'
import type { BlockSizes } from '../../src/wire/option-reply.js'
import { refusal } from '../bytes.js'

const { HasFlags, SendDf, SendFastZero, SendWriteZeroes } = TransmissionFlag
const MIB = 1024 * 1024
const agreed: AgreedFeatures = {
  structuredReplies: true,
  extendedHeaders: false,
}

function facts(transmissionFlags: number, more: Partial<ExportReply> = {}): ExportReply {
  return { name: 'disk0', shape: { size: 4096, transmissionFlags }, ...more }
}

describe('the properties of an export', () => {
  test('are those that the server sent', () => {
    const told = {
      ...{ name: 'disk0', canonicalName: '/dev/disk0', description: 'the first disk' },
      ...{ shape: { size: 2n ** 62n, transmissionFlags: HasFlags } },
      blockSizes: { minimum: 1, preferred: 4096, maximum: 0xffffffff },
    }
    expect(exportInfo(told, agreed)).toEqual({
      ...{ name: 'disk0', canonicalName: '/dev/disk0', description: 'the first disk', size: 2n ** 62n },
      ...{ readOnly: false, rotational: false, canFlush: false, canFua: false, canTrim: false },
      ...{ canZero: false, canFastZero: false, canDf: false, canMultiConn: false, canCache: false },
      ...{ canBlockStatusPayload: false, metaContexts: [], missingMetaContexts: [] },
      blockSize: { minimum: 1, preferred: 4096, maximum: 0xffffffff, payload: 64 * MIB },
    })
  })

  test('are undefined if they were not sent; an empty name is a name', () => {
    const info = exportInfo(facts(HasFlags, { canonicalName: '' }), agreed)
    expect([info.canonicalName, info.description]).toEqual(['', undefined])
  })

  test('are frozen', () => {
    const info = exportInfo(facts(HasFlags), agreed)
    expect([Object.isFrozen(info), Object.isFrozen(info.blockSize)]).toEqual([true, true])
  })
})

describe('transmission flags', () => {
  test.each([
    // libnbd: nbd_is_read_only
    [TransmissionFlag.ReadOnly, 'readOnly'],
    // libnbd: nbd_can_flush
    [TransmissionFlag.SendFlush, 'canFlush'],
    // libnbd: nbd_can_fua
    [TransmissionFlag.SendFua, 'canFua'],
    // libnbd: nbd_is_rotational
    [TransmissionFlag.Rotational, 'rotational'],
    // libnbd: nbd_can_trim
    [TransmissionFlag.SendTrim, 'canTrim'],
    // libnbd: nbd_can_zero
    [TransmissionFlag.SendWriteZeroes, 'canZero'],
    // libnbd: nbd_can_df
    [TransmissionFlag.SendDf, 'canDf'],
    // libnbd: nbd_can_multi_conn
    [TransmissionFlag.CanMultiConn, 'canMultiConn'],
    // libnbd: nbd_can_cache
    [TransmissionFlag.SendCache, 'canCache'],
  ])('%d is %s and nothing else', (flag, name) => {
    const features = Object.entries(exportInfo(facts(HasFlags | flag), agreed)).filter(
      ([, value]) => value === true,
    )
    expect(features).toEqual([[name, true]])
  })

  // libnbd: nbd_can_fast_zero
  test('fast zero is ignored without zero', () => {
    expect(exportInfo(facts(HasFlags | SendFastZero), agreed).canFastZero).toBe(false)
    expect(exportInfo(facts(HasFlags | SendFastZero | SendWriteZeroes), agreed).canFastZero).toBe(true)
  })

  test('"do not fragment" is ignored without structured replies', () => {
    expect(exportInfo(facts(HasFlags | SendDf), { ...agreed, structuredReplies: false }).canDf).toBe(false)
  })

  test('unknown ones are ignored', () => {
    expect(exportInfo(facts(HasFlags | 0xe000), agreed)).toEqual(exportInfo(facts(HasFlags), agreed))
  })

  test('of 0 are a protocol violation', () => {
    const error = refusal(() => exportInfo(facts(0), agreed))
    expect(error.message).toBe('export "disk0": the transmission flags are 0')
    expect([error.expected, error.received, error.errno]).toEqual(['NBD_FLAG_HAS_FLAGS', '0', 'EPROTO'])
  })
})

describe('the size', () => {
  test.each([0, 1, 2 ** 53 - 1, 2n ** 53n, 2n ** 63n - 1n])('may be %p', (size) => {
    expect(exportInfo(facts(0, { shape: { size, transmissionFlags: 1 } }), agreed).size).toBe(BigInt(size))
  })

  test.each([2n ** 63n, 2n ** 64n - 1n])(
    'may not be %p: it would be negative as a signed integer',
    (size) => {
      const error = refusal(() => exportInfo(facts(0, { shape: { size, transmissionFlags: 1 } }), agreed))
      expect(error.message).toBe(`export "disk0": the size ${size} is larger than the maximum, 2^63-1 bytes`)
      expect(error.errno).toBe('EOVERFLOW')
    },
  )
})

describe('block sizes', () => {
  const told = (minimum: number, preferred: number, maximum: number) =>
    exportInfo(facts(HasFlags, { blockSizes: { minimum, preferred, maximum } }), agreed).blockSize

  test('that were not sent are 0, and the payload is 32 MiB', () => {
    expect(exportInfo(facts(HasFlags), agreed).blockSize).toEqual({
      ...{ minimum: 0, preferred: 0, maximum: 0, payload: 32 * MIB },
    })
  })

  test.each([
    [1, 512, 512, 512],
    [1, 4096, 0xffffffff, 64 * MIB],
    [512, 4096, 33_554_432, 32 * MIB],
    [512, 512, 2 * MIB + 512, 2 * MIB + 512],
    [65536, 65536, 65536, 65536],
    [4096, 2 ** 31, 2 ** 31, 64 * MIB],
    [1, 512, 0xfffffffe, 64 * MIB],
  ])('may be %d, %d and %d: %d of payload', (minimum, preferred, maximum, payload) => {
    expect(told(minimum, preferred, maximum)).toEqual({ minimum, preferred, maximum, payload })
  })

  test.each([
    ['a minimum of 0', 0, 512, 4096],
    ['a minimum that is no power of 2', 3, 512, 4095],
    ['a minimum above 64 KiB', 131_072, 131_072, 131_072],
    ['a preferred size below 512', 1, 256, 4096],
    ['a preferred size that is no power of 2', 1, 1000, 4096],
    ['a preferred size of 0', 1, 0, 4096],
    ['a preferred size below the minimum', 4096, 512, 4096],
    ['a maximum below the preferred size', 1, 4096, 2048],
    ['a maximum of 0', 1, 512, 0],
    ['a maximum that is no multiple of the minimum', 512, 512, 4097],
  ])('with %s are ignored', (_, minimum, preferred, maximum) => {
    expect(told(minimum, preferred, maximum)).toEqual({
      ...{ minimum: 0, preferred: 0, maximum: 0, payload: 32 * MIB },
    })
  })

  test('are used unchanged or ignored, and the payload is always in bounds', () => {
    const size = fc.oneof(
      fc.integer({ min: 0, max: 31 }).map((power) => 2 ** power),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.constant(0xffffffff),
    )
    fc.assert(
      fc.property(size, size, size, (minimum, preferred, maximum) => {
        const { payload, ...rest } = told(minimum, preferred, maximum)
        expect(payload).toBeGreaterThanOrEqual(512)
        expect(payload).toBeLessThanOrEqual(64 * MIB)
        const isTaken = rest.minimum !== 0
        const sizes: BlockSizes = isTaken
          ? { minimum, preferred, maximum }
          : { minimum: 0, preferred: 0, maximum: 0 }
        expect(rest).toEqual(sizes)
        const powers = new Set(Array.from({ length: 32 }, (_, power) => 2 ** power))
        const isLegal =
          powers.has(minimum) &&
          minimum <= 65536 &&
          powers.has(preferred) &&
          preferred >= 512 &&
          minimum <= preferred &&
          preferred <= maximum &&
          (maximum === 0xffffffff || maximum % minimum === 0)
        expect(isTaken).toBe(isLegal)
      }),
    )
  })
})
