import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder for unix sockets, to be removed after the tests. */
export class SocketFolder {
  readonly path: string = mkdtempSync(join(tmpdir(), 'nbdjs-'))
  #count = 0

  freshPath(): string {
    this.#count++
    return join(this.path, `${this.#count}.sock`)
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
