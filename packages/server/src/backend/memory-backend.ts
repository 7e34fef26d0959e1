import { argumentError, checkArgument, checkOptions, option } from '@nbdjs/core'
import type {
  Backend,
  BackendZeroOptions,
  BlockSizeConstraints,
  Extents,
  MetaContextSource,
  Offset,
  RangeLength,
  ReadData,
} from './backend.js'
import { ExportError } from './export-error.js'
import { Pages } from './pages.js'

/** The options of {@link memoryBackend}. */
export interface MemoryBackendOptions {
  /**
   * The initial content, from offset 0; it is copied. The rest reads as zeroes.
   * @default an empty array
   */
  readonly content?: Uint8Array | undefined
  /**
   * The most memory to allocate, in bytes. A write that needs more fails with ENOSPC. Without a limit, a client that may
   * write can make the server allocate as many bytes as the export has.
   * @default Infinity
   */
  readonly limit?: number | undefined
  /**
   * Whether to reject every command that modifies the export.
   * @default false
   */
  readonly readOnly?: boolean | undefined
  /**
   * Whether to announce that seeks are slow.
   * @default false
   */
  readonly rotational?: boolean | undefined
  /**
   * A description for people, at most 4096 bytes of UTF-8.
   * @default ''
   */
  readonly description?: string | undefined
  /** The block sizes that are advertised. */
  readonly blockSize?: BlockSizeConstraints | undefined
  /**
   * Metadata contexts besides `base:allocation`, as in a {@link Backend}.
   * @default {}
   */
  readonly metaContexts?: Readonly<Record<string, MetaContextSource>> | undefined
}

/** The longest range that one request may allocate without sending data. */
const MAX_ALLOCATION = 32 * 1024 * 1024

/** The largest size of an export: clients keep it in a signed integer of 64 bits. */
const MAX_SIZE = 2n ** 63n - 1n

const size = option.required(
  option.instance<number | bigint>(
    'an integer from 0 to 2^63 - 1, a bigint from 2^53 on',
    (value) =>
      (typeof value === 'bigint' || Number.isSafeInteger(value)) &&
      (value as number) >= 0 &&
      (value as number) <= MAX_SIZE,
  ),
)

const shape = {
  content: option.bytes(),
  limit: option.instance<number>(
    'a number of bytes, at least 0',
    (value) => typeof value === 'number' && value >= 0,
    Number.POSITIVE_INFINITY,
  ),
  readOnly: option.boolean(false),
  rotational: option.boolean(false),
  description: option.string(''),
  // The server checks these when the export is added to it.
  blockSize: option.any(),
  metaContexts: option.any(),
}

/**
 * Makes a sparse export in memory. It allocates memory only where it is written to, in blocks of 4 KiB and pages of 64 KiB,
 * and frees what is trimmed or zeroed. It supports every command, and answers synchronously.
 *
 * @param size The size in bytes, up to 2^63 - 1.
 * @param options The content, a limit of memory, and what is announced.
 * @returns A backend for one or more exports.
 * @throws {NbdUsageError} An argument or option is invalid.
 * @example
 * ```ts
 * const server = new Server({ exports: { disk: memoryBackend(8n * 2n ** 30n, { limit: 2 ** 30 }) } })
 * ```
 */
export function memoryBackend(size: number | bigint, options: MemoryBackendOptions = {}): MemoryBackend {
  return new MemoryBackend(size, options)
}

/** Made by {@link memoryBackend}. */
export class MemoryBackend implements Backend {
  /** The size in bytes. */
  readonly size: number | bigint
  /** Whether every command that modifies the export is rejected. */
  readonly readOnly: boolean
  /** Whether seeks are announced as slow. */
  readonly rotational: boolean
  /** A description for people. */
  readonly description: string
  /** The block sizes that are advertised. */
  readonly blockSize: BlockSizeConstraints
  /** Metadata contexts besides `base:allocation`. */
  readonly metaContexts: Readonly<Record<string, MetaContextSource>>
  /** True: all connections share the memory. */
  readonly canMultiConn = true
  /** True: there is nothing more stable than the memory. */
  readonly canFua = true
  /** True: zeroing frees pages. */
  readonly canFastZero = true
  readonly #pages: Pages

  /** @internal Use {@link memoryBackend}. */
  constructor(exportSize: number | bigint, options: MemoryBackendOptions) {
    this.size = checkArgument('memoryBackend', 'size', size, exportSize)
    const checked = checkOptions('memoryBackend', shape, options)
    const { content } = checked
    if (content !== undefined && content.length > this.size) {
      throw argumentError('memoryBackend', 'content', `at most ${this.size} bytes, the size`, content, {
        receivedText: `${content.length} bytes`,
      })
    }
    this.readOnly = checked.readOnly
    this.rotational = checked.rotational
    this.description = checked.description
    this.blockSize = options.blockSize ?? {}
    this.metaContexts = options.metaContexts ?? {}
    this.#pages = new Pages(checked.limit)
    if (content !== undefined) this.#pages.write(content, 0)
  }

  /** The number of bytes that are allocated, reserved zeroes included. */
  get allocated(): number {
    return this.#pages.allocated
  }

  /** Reads `length` bytes at `offset`. */
  read(length: number, offset: Offset): ReadData {
    return this.#pages.read(length, offset)
  }

  /** Writes `data` at `offset`. */
  write(data: Uint8Array, offset: Offset): void {
    this.#pages.write(data, offset)
  }

  /** Does nothing. */
  flush(): void {}

  /** Frees a range: it reads as zeroes. */
  trim(length: RangeLength, offset: Offset): void {
    this.#pages.zero(length, offset, 'free')
  }

  /** Zeroes a range. `noHole` allocates ranges of up to 32 MiB; of longer ones, existing holes stay holes. */
  zero(
    length: RangeLength,
    offset: Offset,
    { noHole, fastZero }: Pick<BackendZeroOptions, 'noHole' | 'fastZero'>,
  ): void {
    const isLong = length > MAX_ALLOCATION
    if (noHole && fastZero && isLong) {
      const text = `${length} bytes of zeroes without a hole: at most ${MAX_ALLOCATION} bytes are fast`
      throw new ExportError('ENOTSUP', text)
    }
    this.#pages.zero(length, offset, noHole ? (isLong ? 'keep' : 'allocate') : 'free')
  }

  /** Does nothing. */
  cache(): void {}

  /** Returns allocated ranges as data, and all others as holes that read as zeroes. */
  extents(length: RangeLength, offset: Offset): Extents {
    return this.#pages.extents(length, offset)
  }
}
