import type { FileHandle } from 'node:fs/promises'
import { type Backend, ExportError, type Offset } from '@nbdjs/server'

/** Exports a file, read-only because there is no method `write`. */
export class FileBackend implements Backend {
  readonly size: number
  readonly #file: FileHandle

  constructor(file: FileHandle, size: number) {
    this.#file = file
    this.size = size
  }

  async read(length: number, offset: Offset): Promise<Uint8Array> {
    const { bytesRead, buffer } = await this.#file.read(new Uint8Array(length), 0, length, Number(offset))
    if (bytesRead === length) return buffer
    throw new ExportError('EIO', 'the file is shorter than it was', { offset: Number(offset) + bytesRead })
  }
}
