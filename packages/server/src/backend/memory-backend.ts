import { NbdUsageError } from '@nbdjs/core'
import type {
  Backend,
  BackendZeroOptions,
  BlockSizeConstraints,
  Extents,
  MetaContextSource,
  Offset,
  RangeLength,
  ReadResult,
} from './backend.js'
import { ExportError } from './export-error.js'
import { Pages } from './pages.js'

export interface MemoryBackendOptions {
  /** What the export begins with, copied. The rest reads as zeroes. */
  readonly content?: Uint8Array
  /** The most memory to take, in bytes, in pages of 64 KiB. A write beyond it fails with ENOSPC. Default: no limit. */
  readonly limit?: number
  readonly readOnly?: boolean
  readonly rotational?: boolean
  readonly description?: string
  readonly blockSize?: BlockSizeConstraints
  /** Metadata contexts besides `base:allocation`, as a {@link Backend} has them. */
  readonly metaContexts?: Readonly<Record<string, MetaContextSource>>
}

/** The longest range that a client may have allocated by one request, which costs it 28 bytes. */
const MAX_ALLOCATION = 32 * 1024 * 1024

/**
 * An export in memory, sparse: it takes memory in pages of 64 KiB where it was written to, and gives it back
 * where it is trimmed or zeroed. `size` may be anything up to 2^63 - 1 bytes.
 *
 * It does all that a backend can do, and answers at once.
 */
export function memoryBackend(size: number | bigint, options: MemoryBackendOptions = {}): MemoryBackend {
  return new MemoryBackend(size, options)
}

/** Made by {@link memoryBackend}. */
export class MemoryBackend implements Backend {
  readonly size: number | bigint
  readonly readOnly: boolean
  readonly rotational: boolean
  readonly description: string
  readonly blockSize: BlockSizeConstraints
  readonly metaContexts: Readonly<Record<string, MetaContextSource>>
  readonly canMultiConn = true
  readonly canFua = true
  readonly canFastZero = true
  readonly #pages: Pages

  constructor(size: number | bigint, options: MemoryBackendOptions) {
    const { content, limit = Number.POSITIVE_INFINITY } = options
    if (!(limit >= 0)) throw new NbdUsageError(`limit is ${limit}: expected a number of bytes`)
    if (content !== undefined && content.length > size) {
      throw new NbdUsageError(`content has ${content.length} bytes: expected at most the size, ${size}`)
    }
    this.size = size
    this.readOnly = options.readOnly ?? false
    this.rotational = options.rotational ?? false
    this.description = options.description ?? ''
    this.blockSize = options.blockSize ?? {}
    this.metaContexts = options.metaContexts ?? {}
    this.#pages = new Pages(limit)
    if (content !== undefined) this.#pages.write(content, 0)
  }

  /** Bytes of memory that it takes now. */
  get allocated(): number {
    return this.#pages.allocated
  }

  read(length: number, offset: Offset): ReadResult {
    return this.#pages.read(length, offset)
  }

  write(data: Uint8Array, offset: Offset): void {
    this.#pages.write(data, offset)
  }

  flush(): void {}

  trim(length: RangeLength, offset: Offset): void {
    this.#pages.zero(length, offset, 'free')
  }

  /** `noHole` allocates ranges of up to 32 MiB; longer ones keep what they have, and their holes stay holes. */
  zero(
    length: RangeLength,
    offset: Offset,
    { noHole, fastZero }: Pick<BackendZeroOptions, 'noHole' | 'fastZero'>,
  ): void {
    const isLong = length > MAX_ALLOCATION
    if (noHole && fastZero && isLong) {
      const text = `zeroes of ${length} bytes without a hole are not fast: at most ${MAX_ALLOCATION} are`
      throw new ExportError('ENOTSUP', text)
    }
    this.#pages.zero(length, offset, noHole ? (isLong ? 'keep' : 'allocate') : 'free')
  }

  cache(): void {}

  /** Pages are allocated, the rest are holes that read as zeroes. */
  extents(length: RangeLength, offset: Offset): Extents {
    return this.#pages.extents(length, offset)
  }
}
