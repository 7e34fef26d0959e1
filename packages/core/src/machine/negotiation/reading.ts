/**
 * A piece of the handshake as straight-line code: it yields how many bytes it needs next and is resumed with
 * exactly these. The bytes are a view, valid until the next yield.
 */
export type Reading<T> = Generator<number, T, Uint8Array>
