import { describe, expect, test } from '@jest/globals'
import {
  type BlockDescriptor,
  blockStatus,
  blockStatusExt,
  decodeBlockStatusFilter,
  decodeDescriptor,
  encodeBlockStatus,
  encodeBlockStatusFilter,
} from '@nbdjs/core/wire'
import { viewOf } from '../../src/wire/bytes.js'
import { embedded, octets } from '../bytes.js'

// "Structured reply types", NBD_REPLY_TYPE_BLOCK_STATUS: a context id, then 32 bits of length and of flags each.
const narrow = octets('00 00 00 07', '00 01 00 00 00 00 00 00', '00 00 02 00 00 00 00 03')
const narrowDescriptors: readonly BlockDescriptor[] = [
  { length: 65536, flags: 0 },
  { length: 512, flags: 3 },
]
// NBD_REPLY_TYPE_BLOCK_STATUS_EXT: a context id and a count, then 64 bits of each.
const wide = octets(
  '00 00 00 07',
  '00 00 00 02',
  '00 00 00 10 00 00 00 00 00 00 00 00 00 00 00 03',
  '40 00 00 00 00 00 00 00 80 00 00 00 00 00 00 00',
)
const wideDescriptors: readonly BlockDescriptor[] = [
  { length: 0x1000000000, flags: 3 },
  { length: 2n ** 62n, flags: 2n ** 63n },
]

describe.each([
  ['32-bit', blockStatus, narrow, narrowDescriptors],
  ['64-bit', blockStatusExt, wide, wideDescriptors],
] as const)('a block status chunk of %s descriptors', (_, layout, bytes, descriptors) => {
  test('is encoded', () => {
    expect(encodeBlockStatus(layout, 7, descriptors)).toEqual(bytes)
  })

  test('is decoded descriptor by descriptor, at any offset of a buffer', () => {
    const view = viewOf(embedded(bytes))
    const decoded = descriptors.map((__, index) =>
      decodeDescriptor(layout, view, layout.headLength + index * layout.descriptorLength),
    )
    expect(decoded).toEqual(descriptors)
  })
})

describe('the payload that filters the contexts of a block status request', () => {
  const bytes = octets('00 00 00 01 00 00 00 00', '00 00 00 02', '00 00 00 05')
  const filter = { length: 2 ** 32, contextIds: [2, 5] }

  test('is encoded and decoded', () => {
    expect(encodeBlockStatusFilter(filter)).toEqual(bytes)
    expect(decodeBlockStatusFilter(embedded(bytes))).toEqual(filter)
  })

  test('is rejected unless it has a length and complete ids', () => {
    expect(decodeBlockStatusFilter(bytes.subarray(0, 8))).toEqual({ length: 2 ** 32, contextIds: [] })
    expect([0, 4, 7, 9, 15].map((length) => decodeBlockStatusFilter(bytes.subarray(0, length)))).toEqual(
      Array(5).fill(undefined),
    )
  })
})
