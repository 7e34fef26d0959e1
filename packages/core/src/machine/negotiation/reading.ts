/** What a {@link Reading} yields to wait until TLS is on, instead of for bytes. */
export const TLS_STARTED = 'TLS started'

/**
 * A piece of the handshake as straight-line code: it yields how many bytes it needs next and is resumed with
 * exactly these, or {@link TLS_STARTED} and is resumed with none. The bytes are a view, valid until the next yield.
 */
export type Reading<T> = Generator<number | typeof TLS_STARTED, T, Uint8Array>
