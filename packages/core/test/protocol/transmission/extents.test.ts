import { describe, expect, test } from '@jest/globals'
import { type BlockStatusQuery, ExtentCollector } from '../../../src/protocol/transmission/extents.js'

const query: BlockStatusQuery = {
  ...{ offset: 4096n, length: 8192n, exportSize: 65536n, isOne: false, maxExtents: 100 },
  contexts: new Map([
    [1, 'base:allocation'],
    [7, 'qemu:dirty-bitmap:b0'],
  ]),
}

/** A reply: for each chunk, its context and the lengths and flags of its descriptors. */
type Reply = readonly (readonly [number, readonly (readonly [number | bigint, number | bigint])[]])[]

function play(
  reply: Reply,
  changes: Partial<BlockStatusQuery> = {},
): { status: ExtentCollector; error: string | undefined } {
  const status = new ExtentCollector({ ...query, ...changes })
  for (const [context, descriptors] of reply) {
    status.begin(context)
    for (const [length, flags] of descriptors) status.add(length, flags)
  }
  return { status, error: status.finish('blockStatus of 8192 bytes at 4096')?.message }
}

const dirty: Reply[number] = [7, [[8192, 1]]]

describe('the status of blocks', () => {
  test('is a list of adjacent extents for each context, from the offset', () => {
    const { status, error } = play([
      [
        1,
        [
          [4096, 3],
          [2048, 0],
          [2048, 2],
        ],
      ],
      dirty,
    ])
    expect(error).toBeUndefined()
    expect(status.extents).toEqual(
      new Map([
        [
          'base:allocation',
          [
            { offset: 4096n, length: 4096n, flags: 3n },
            { offset: 8192n, length: 2048n, flags: 0n },
            { offset: 10240n, length: 2048n, flags: 2n },
          ],
        ],
        ['qemu:dirty-bitmap:b0', [{ offset: 4096n, length: 8192n, flags: 1n }]],
      ]),
    )
  })

  test.each<[string, Reply]>([
    ['tell of less than was asked for', [[1, [[512, 0]]], dirty]],
    [
      'reach beyond the request in its last extent',
      [
        [
          1,
          [
            [8191, 0],
            [53249, 3],
          ],
        ],
        dirty,
      ],
    ],
    ['come in any order', [dirty, [1, [[8192, 0]]]]],
    [
      'have equal neighbours',
      [
        [
          1,
          [
            [4096, 0],
            [4096, 0],
          ],
        ],
        dirty,
      ],
    ],
    ['have chunks of contexts that nobody asked for', [[99, [[0, 5]]], [1, [[8192, 0]]], dirty]],
  ])('may %s', (_, reply) => {
    expect(play(reply).error).toBeUndefined()
  })

  test('keeps as many extents of each context as the limit allows', () => {
    const many = Array.from({ length: 8 }, () => [1024, 0] as const)
    const { status, error } = play([[1, many], dirty], { maxExtents: 1 })
    expect(error).toBeUndefined()
    expect(status.extents).toEqual(
      new Map([
        ['base:allocation', [{ offset: 4096n, length: 1024n, flags: 0n }]],
        ['qemu:dirty-bitmap:b0', [{ offset: 4096n, length: 8192n, flags: 1n }]],
      ]),
    )
  })

  test('keeps lengths and flags of 64 bits', () => {
    const huge = { exportSize: 2n ** 63n - 1n, contexts: new Map([[1, 'x:y']]) }
    const { status, error } = play([[1, [[2n ** 62n, 2n ** 63n]]]], huge)
    expect(error).toBeUndefined()
    expect(status.extents.get('x:y')).toEqual([{ offset: 4096n, length: 2n ** 62n, flags: 2n ** 63n }])
  })
})

describe('an invalid status', () => {
  test.each<[string, Reply, string]>([
    [
      'an extent of no bytes',
      [
        [
          1,
          [
            [512, 0],
            [0, 0],
          ],
        ],
        dirty,
      ],
      'extent 1 of "base:allocation" to have at least 1 byte, received 0',
    ],
    [
      'an extent beyond the end of the export',
      [[1, [[61441, 0]]], dirty],
      'extent 0 of "base:allocation" to end by 65536, the end of the export, received 65537',
    ],
    [
      'an extent behind the request',
      [
        [
          1,
          [
            [8192, 0],
            [512, 0],
          ],
        ],
        dirty,
      ],
      'extent 1 of "base:allocation" to begin before 12288, the end of the request, received 12288',
    ],
    [
      'a context twice',
      [[1, [[512, 0]]], [1, [[512, 0]]], dirty],
      'one chunk for each context, received two for "base:allocation"',
    ],
    [
      'an extent of no bytes beyond the limit',
      [[1, [...Array.from({ length: 100 }, () => [1, 0] as const), [0, 0]]], dirty],
      'extent 100 of "base:allocation" to have at least 1 byte, received 0',
    ],
    ['a context that is missing', [[1, [[512, 0]]]], 'the status of "qemu:dirty-bitmap:b0", received none'],
  ])('%s fails the command', (_, reply, problem) => {
    expect(play(reply).error).toBe(`reply to blockStatus of 8192 bytes at 4096: expected ${problem}`)
  })

  test.each<[string, Reply]>([
    [
      'two extents',
      [
        [
          1,
          [
            [512, 0],
            [512, 3],
          ],
        ],
        dirty,
      ],
    ],
    ['one that is longer than the request', [[1, [[8193, 0]]], dirty]],
  ])('with reqOne: %s', (_, reply) => {
    expect(play(reply, { isOne: true }).error).toBe(
      'reply to blockStatus of 8192 bytes at 4096: expected one extent of at most 8192 bytes (NBD_CMD_FLAG_REQ_ONE), received more',
    )
  })

  test('ends the list, however many extents follow', () => {
    const { status } = play([[1, [[512, 0], [0, 0], ...Array(1000).fill([1, 0])]], dirty])
    expect(status.extents.get('base:allocation')?.length).toBeLessThan(3)
  })
})
