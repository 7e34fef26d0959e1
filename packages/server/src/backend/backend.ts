import type { BlockDescriptor, U64 } from '@nbdjs/core/wire'

/**
 * A position in an export, in bytes from its start: a `number` while it is a safe integer, a `bigint` above.
 * A backend of at most 2^53 - 1 bytes never sees a `bigint`.
 */
export type Offset = U64

/**
 * How many bytes a range has, where it can be longer than any payload: a `number` while it is a safe integer, a
 * `bigint` above. Beyond 2^32 - 1 only from clients that negotiated extended headers.
 */
export type RangeLength = U64

/** What a method may return: the value, or a promise of it. A value that is at hand is answered faster. */
export type Awaitable<T> = T | PromiseLike<T>

/** A stretch that reads as zeroes. It is sent as such where the client understands that. */
export interface Hole {
  /** Its length in bytes, at least 1. */
  readonly hole: number
}

/** A piece of what was read: its bytes, or a hole. */
export type ReadPart = Uint8Array | Hole

/** All bytes that were asked for, in one piece or in parts, in order and without gaps. */
export type ReadResult = Uint8Array | readonly ReadPart[]

/**
 * Parts of a read that are shorter than this many bytes are copied as soon as the server sees the result, longer
 * ones are sent from where they are.
 */
export const ZERO_COPY_THRESHOLD = 16384

export interface BackendWriteOptions {
  /** The data must be on stable storage before the call is over ("Command flags", NBD_CMD_FLAG_FUA). */
  readonly fua: boolean
}

export interface BackendZeroOptions extends BackendWriteOptions {
  /** The space must stay allocated, so that a later write cannot run out of it. */
  readonly noHole: boolean
  /** Fail at once with ENOTSUP unless this is faster than writing the zeroes. */
  readonly fastZero: boolean
}

/**
 * What is known of a range in one metadata context: extents, from `offset` on, without gaps. Each has a length of
 * at least 1 byte, and flags that mean what the context says. The last one may reach beyond the range; what it
 * does beyond the export is cut off.
 *
 * Fewer extents than the range has are an answer too, but there must be one. The server takes no more than it
 * tells the client, so a generator need not look farther, and joins neighbours of the same flags. Lengths that are
 * multiples of 512 and of the minimum block size are best for clients.
 */
export type Extents = Iterable<BlockDescriptor>

/** A metadata context ("Metadata querying"). */
export interface MetaContextSource {
  /**
   * Its flags have 64 bits instead of 32: it is offered only to clients that negotiated extended headers.
   * Default: false.
   */
  readonly hasLongFlags?: boolean
  /** The extents of a range. Called, and fails, as the methods of a {@link Backend} do. */
  extents(length: RangeLength, offset: Offset): Awaitable<Extents>
}

/** The sizes that requests should have ("Size constraints"). */
export interface BlockSizeConstraints {
  /** Offsets and lengths must be multiples of it: a power of two from 1 to 65536. Default: 1. */
  readonly minimum?: number
  /** Requests of this size and alignment are efficient: a power of two, at least 512. Default: 4096. */
  readonly preferred?: number
  /** The longest read or write, from `preferred` to 0xffffffff bytes. Default: 32 MiB. */
  readonly maximum?: number
}

/**
 * The storage behind an export. What it can do follows from the methods it has: without `write` the export is
 * read-only, without `trim` the client is not offered NBD_CMD_TRIM, and so on.
 *
 * The server calls it with ranges that lie inside of the export and keep `blockSize`, never with a length of 0.
 * Calls may overlap as soon as one returns a promise: as many per connection as `limits.inFlight` allows. Two
 * calls that overlap in their range come from a client that does not care for their order.
 *
 * A call fails by throwing or rejecting: with an {@link ExportError}, or any error whose `code` is among the
 * protocol's names (EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN) or a system's close to
 * them, the client gets that error and its message as the text. Everything else is a bug of the backend: the
 * client gets EIO, `onError` of the server gets the error.
 */
export interface Backend {
  /** In bytes, at most 2^63 - 1, and a multiple of the minimum block size. Read once. */
  readonly size: number | bigint
  /** Refuses all that modifies, whichever methods there are. Default: false. */
  readonly readOnly?: boolean
  /** Seeking costs, as on a spinning disk. A hint. Default: false. */
  readonly rotational?: boolean
  /**
   * What one connection wrote, or flushed, all other connections see at once. Only then may a client use several
   * at a time ("Transmission flags", NBD_FLAG_CAN_MULTI_CONN). Default: false.
   */
  readonly canMultiConn?: boolean
  /** `write`, `zero` and `trim` obey `fua` themselves. Otherwise the server calls `flush` after them. Default: false. */
  readonly canFua?: boolean
  /** `zero` obeys `fastZero`. Default: false, and then it is never asked for. */
  readonly canFastZero?: boolean
  /** For people, at most 4096 bytes of UTF-8. */
  readonly description?: string
  readonly blockSize?: BlockSizeConstraints
  /**
   * Metadata contexts besides `base:allocation`, by name: a namespace (`x-` and a word of your own, unless it is a
   * registered one), a colon and a leaf-name. Default: none.
   */
  readonly metaContexts?: Readonly<Record<string, MetaContextSource>>

  /**
   * Reads exactly `length` bytes at `offset`.
   *
   * Parts of {@link ZERO_COPY_THRESHOLD} bytes or more are lent to the server until they are sent, and nothing tells when
   * that is: never change them afterwards. Return fresh memory, or memory that is replaced instead of changed.
   */
  read(length: number, offset: Offset): Awaitable<ReadResult>

  /** Writes all of `data`, which is lent until the call is over: until it returns, or its promise settles. */
  write?(data: Uint8Array, offset: Offset, options: BackendWriteOptions): Awaitable<void>

  /** Brings every write that is over onto stable storage. With it the client is offered FUA, too. */
  flush?(): Awaitable<void>

  /** The range is not needed any more. What it reads as afterwards is free to choose, as is to do nothing. */
  trim?(length: RangeLength, offset: Offset, options: BackendWriteOptions): Awaitable<void>

  /** Makes the range read as zeroes, by a hole if it can unless `noHole` is set. */
  zero?(length: RangeLength, offset: Offset, options: BackendZeroOptions): Awaitable<void>

  /** The range will be read soon. */
  cache?(length: RangeLength, offset: Offset): Awaitable<void>

  /**
   * What is allocated: the context `base:allocation`, with the flags 1 for a hole and 2 for what reads as zeroes
   * ("`base:allocation` metadata context"). A write where there is no hole must not fail with ENOSPC. Without this
   * method, clients are told that there is data everywhere.
   */
  extents?(length: RangeLength, offset: Offset): Awaitable<Extents>
}
