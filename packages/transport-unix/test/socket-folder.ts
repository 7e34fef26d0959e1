import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type net from 'node:net'
import os from 'node:os'
import path from 'node:path'

/** A folder of the test's own for sockets, with a path that leaves room for their names. */
export class SocketFolder {
  readonly #path: string = mkdtempSync(path.join(os.tmpdir(), 'nbdjs-'))
  #count = 0

  /** A path that nobody has listened on. */
  freshPath(): string {
    return path.join(this.#path, `${this.#count++}.sock`)
  }

  remove(): void {
    rmSync(this.#path, { recursive: true })
  }
}

export async function listening(server: net.Server, path: string): Promise<void> {
  server.listen(path)
  await once(server, 'listening')
}
