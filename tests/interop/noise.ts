import { randomFillSync } from 'node:crypto'

/** Bytes that are not the same twice: a test that mixes up two pieces of data sees it. */
export const noise = (length: number): Uint8Array => randomFillSync(new Uint8Array(length))
