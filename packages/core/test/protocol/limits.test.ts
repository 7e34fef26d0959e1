import { expect, test } from '@jest/globals'
import { MAX_PAYLOAD } from '../../src/protocol/export-info.js'
import { defaultLimits } from '../../src/protocol/limits.js'
import { MAX_STRING_BYTES } from '../../src/wire/text.js'

test('the limits allow everything that the specification allows', () => {
  expect(defaultLimits.inFlightBytes).toBeGreaterThanOrEqual(MAX_PAYLOAD)
  expect(defaultLimits.optionReplyBytes).toBeGreaterThanOrEqual(4 + 2 * MAX_STRING_BYTES)
})

test('the limits bound the memory that a server can make the client use', () => {
  expect(defaultLimits).toEqual({
    ...{ inFlightCommands: 1024, inFlightBytes: 64 * 1024 * 1024 },
    ...{ optionReplyBytes: 1024 * 1024, optionTotalBytes: 64 * 1024 * 1024, listEntries: 10_000 },
    extents: 262_144,
  })
})
