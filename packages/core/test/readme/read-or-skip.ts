import { type Handle, NbdServerError } from '@nbdjs/core'

/** Reads within 5 s. Returns undefined for a bad sector, and throws every other error. */
export async function readOrSkip(
  nbd: Handle,
  length: number,
  offset: bigint,
): Promise<Uint8Array | undefined> {
  try {
    return await nbd.pread(length, offset, { signal: AbortSignal.timeout(5_000) })
  } catch (error) {
    // The server failed this command only: the connection stays usable.
    if (error instanceof NbdServerError && error.errno === 'EIO') return undefined
    throw error
  }
}
