/** One piece of the answer to a read, as the server sent it. */
export type ReadChunk =
  /** `data` is a view of the caller's buffer. */
  | { readonly kind: 'data'; readonly offset: bigint; readonly data: Uint8Array }
  /** `length` bytes read as zeroes; the buffer holds them already. */
  | { readonly kind: 'hole'; readonly offset: bigint; readonly length: number }
  /** Reading failed at `offset`. The whole command rejects with its first error in the end. */
  | { readonly kind: 'error'; readonly offset: bigint; readonly error: Error }
