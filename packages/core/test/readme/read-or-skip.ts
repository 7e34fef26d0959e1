import { type Handle, NbdServerError } from '@nbdjs/core'

/** Reads at most 5 s long. A bad sector is undefined; whatever else goes wrong is thrown. */
export async function readOrSkip(
  nbd: Handle,
  length: number,
  offset: bigint,
): Promise<Uint8Array | undefined> {
  try {
    return await nbd.pread(length, offset, { signal: AbortSignal.timeout(5_000) })
  } catch (error) {
    // The server failed this one command, and the connection lives.
    if (error instanceof NbdServerError && error.errno === 'EIO') return undefined
    throw error
  }
}
