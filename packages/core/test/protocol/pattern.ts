import { expect } from '@jest/globals'

/** Bytes that depend on their offset. */
export function pattern(length: number, from = 0): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index++) bytes[index] = ((from + index) * 31) % 251
  return bytes
}

/** For long arrays: jest's own comparison takes seconds for what this takes milliseconds for. */
export function expectBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  expect(actual?.length).toBe(expected.length)
  const at = expected.findIndex((octet, index) => octet !== actual?.[index])
  expect({ firstDifferenceAt: at, octet: actual?.[at] }).toEqual({
    ...{ firstDifferenceAt: -1, octet: undefined },
  })
}
