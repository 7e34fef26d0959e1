import { expect, test } from '@jest/globals'
import { expectTypeOf } from 'expect-type'
import { type Stats, Tally } from '../../src/machine/stats.js'

test('a tally begins at nothing, and is what the user gets to see', () => {
  expect({ ...new Tally() }).toEqual({ bytesSent: 0, bytesReceived: 0, chunksSent: 0, chunksReceived: 0 })
  expectTypeOf<Tally>().toExtend<Stats>()
})
