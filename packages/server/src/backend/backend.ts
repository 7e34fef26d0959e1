import type { BlockDescriptor, U64 } from '@nbdjs/core/wire'

/**
 * A byte position in an export: a `number` up to 2^53 - 1, a `bigint` above. A backend of at most 2^53 - 1 bytes never
 * receives a `bigint`.
 */
export type Offset = U64

/**
 * The length of a range in bytes, at least 1: a `number` up to 2^53 - 1, a `bigint` above. More than 2^32 - 1 only from
 * clients that negotiated extended headers.
 */
export type RangeLength = U64

/** The result of a backend method: the value or a promise of it. A value is answered sooner than a promise. */
export type Awaitable<T> = T | PromiseLike<T>

/** A part of a read result that consists of zeroes. It is sent without data to clients with structured replies. */
export interface Hole {
  /** The length in bytes, at least 1. */
  readonly hole: number
}

/** A part of a read result: data or a hole. */
export type ReadPart = Uint8Array | Hole

/** All bytes of a read: one array, or parts in order and without gaps. */
export type ReadData = Uint8Array | readonly ReadPart[]

/** A read result whose memory the backend uses again. */
export interface ReleasableRead {
  /** All bytes of the read. */
  readonly data: ReadData
  /** Called once, when the server does not use the memory any more: it was sent or copied, or the connection has ended. */
  release(): void
}

/** The result of a read: the bytes, alone or with a callback for the end of their use. */
export type ReadResult = ReadData | ReleasableRead

/**
 * The length in bytes from which the server sends a part of a read result without copying it. Shorter parts are copied
 * as soon as the server has the result.
 */
export const ZERO_COPY_THRESHOLD = 16384

/** The options of {@link Backend.write} and {@link Backend.trim}. */
export interface BackendWriteOptions {
  /** Whether the data must be on stable storage before the call completes ("Command flags", NBD_CMD_FLAG_FUA). */
  readonly fua: boolean
}

/** The options of {@link Backend.zero}. */
export interface BackendZeroOptions extends BackendWriteOptions {
  /** Whether the space must stay allocated, so that a later write cannot fail with ENOSPC. */
  readonly noHole: boolean
  /** Whether to fail at once with ENOTSUP unless this is faster than writing zeroes. */
  readonly fastZero: boolean
}

/**
 * The status of a range in one metadata context: consecutive extents from `offset` on, each at least 1 byte long. The
 * meaning of the flags depends on the context. The last extent may end after the range; what lies beyond the export is
 * cut off.
 *
 * The extents may cover less than the range, but there must be at least one. The server reads only as many as fit into
 * the reply, so a generator may be infinite, and joins neighbours with equal flags. Use lengths that are multiples of
 * 512 and of the minimum block size.
 */
export type Extents = Iterable<BlockDescriptor>

/** A metadata context ("Metadata querying"). */
export interface MetaContextSource {
  /**
   * Whether the flags have 64 bits instead of 32. Such a context is offered only to clients that negotiated extended
   * headers.
   * @default false
   */
  readonly hasLongFlags?: boolean
  /**
   * Returns the extents of a range. Fails in the same way as the methods of a {@link Backend}.
   *
   * @param length The length of the range in bytes; the range ends within the export.
   * @param offset The byte position of the range.
   */
  extents(length: RangeLength, offset: Offset): Awaitable<Extents>
}

/** The block sizes that are advertised to clients ("Size constraints"). */
export interface BlockSizeConstraints {
  /**
   * Offsets and lengths of requests must be multiples of this: a power of two from 1 to 65536.
   * @default 1
   */
  readonly minimum?: number
  /**
   * The size and alignment of efficient requests: a power of two, at least 512.
   * @default 4096
   */
  readonly preferred?: number
  /**
   * The longest read or write in bytes, from `preferred` to 0xffffffff.
   * @default 33554432 (32 MiB)
   */
  readonly maximum?: number
}

/**
 * The storage behind an export. Its methods determine what clients are offered: without `write` the export is read-only,
 * without `trim` NBD_CMD_TRIM is not offered, and so on.
 *
 * The server calls a method only with a range that lies within the export and follows `blockSize`, never with length 0.
 * Calls overlap if they return promises, up to `limits.inFlight` per connection. The server does not order calls whose
 * ranges overlap: a client that needs an order waits for the reply.
 *
 * A method fails by throwing or rejecting. If the error is an {@link ExportError}, or has a `code` that is one of the
 * protocol's names (EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN) or a system error close to one of
 * them, the client receives that error and its message. Any other error is a bug of the backend: the client receives
 * EIO, and the server's `onError` receives the error.
 *
 * @example
 * ```ts
 * const zeroes: Backend = { size: 2 ** 30, read: (length) => [{ hole: length }] }
 * ```
 */
export interface Backend {
  /** The size in bytes: at most 2^63 - 1, and a multiple of the minimum block size. Read once. */
  readonly size: number | bigint
  /**
   * Whether to reject every command that modifies the export.
   * @default false, or true without a method `write`
   */
  readonly readOnly?: boolean
  /**
   * Whether seeks are slow, as on a spinning disk. A hint for clients.
   * @default false
   */
  readonly rotational?: boolean
  /**
   * Whether data that one connection wrote or flushed is visible to all other connections at once. Only then may a
   * client use several connections ("Transmission flags", NBD_FLAG_CAN_MULTI_CONN).
   * @default false
   */
  readonly canMultiConn?: boolean
  /**
   * Whether `write`, `zero` and `trim` follow `fua` themselves. Otherwise the server calls `flush` after them.
   * @default false
   */
  readonly canFua?: boolean
  /**
   * Whether `zero` follows `fastZero`. Otherwise the server never sets it.
   * @default false
   */
  readonly canFastZero?: boolean
  /**
   * A description for people, at most 4096 bytes of UTF-8.
   * @default ''
   */
  readonly description?: string
  /** The block sizes that are advertised, and that requests must follow. */
  readonly blockSize?: BlockSizeConstraints
  /**
   * Metadata contexts besides `base:allocation`, by name: a namespace (`x-` and a word of your own, or a registered
   * one), a colon and a leaf-name.
   * @default {}
   */
  readonly metaContexts?: Readonly<Record<string, MetaContextSource>>

  /**
   * Reads exactly `length` bytes.
   *
   * The server sends parts of {@link ZERO_COPY_THRESHOLD} bytes or more from where they are: do not modify them after the
   * call. To use memory again, return a {@link ReleasableRead}: its `release()` reports when that is safe.
   *
   * @param length The number of bytes, at most `blockSize.maximum`.
   * @param offset The byte position of the first one.
   */
  read(length: number, offset: Offset): Awaitable<ReadResult>

  /**
   * Writes all of `data`.
   *
   * @param data Valid until the call completes (it returned, or its promise settled). The server then reuses the memory.
   * @param offset The byte position of the first byte.
   */
  write?(data: Uint8Array, offset: Offset, options: BackendWriteOptions): Awaitable<void>

  /** Puts every completed write on stable storage. A backend with this method is offered with FUA as well. */
  flush?(): Awaitable<void>

  /** Discards a range. Later reads may return anything there. Doing nothing is allowed. */
  trim?(length: RangeLength, offset: Offset, options: BackendWriteOptions): Awaitable<void>

  /** Makes a range read as zeroes, as a hole where possible unless `noHole` is set. */
  zero?(length: RangeLength, offset: Offset, options: BackendZeroOptions): Awaitable<void>

  /** Prefetches a range that will be read soon. */
  cache?(length: RangeLength, offset: Offset): Awaitable<void>

  /**
   * Returns the extents of the context `base:allocation`: flag 1 for a hole, flag 2 for a range that reads as zeroes
   * ("`base:allocation` metadata context"). A write to a range that is no hole must not fail with ENOSPC. Without this
   * method the whole export is reported as allocated data.
   */
  extents?(length: RangeLength, offset: Offset): Awaitable<Extents>
}
