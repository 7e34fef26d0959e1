/** The index of the first difference, or `undefined` if the data is equal. A thousand times faster than `toEqual`. */
export const firstDifference = (actual: Uint8Array, expected: Uint8Array): number | undefined => {
  if (Buffer.compare(actual, expected) === 0) return undefined
  const index = actual.findIndex((byte, at) => byte !== expected[at])
  return index === -1 ? actual.length : index
}
