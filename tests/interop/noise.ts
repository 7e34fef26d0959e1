import { randomFillSync } from 'node:crypto'

/** Random bytes: a test detects if two pieces of data are swapped. */
export const noise = (length: number): Uint8Array => randomFillSync(new Uint8Array(length))
