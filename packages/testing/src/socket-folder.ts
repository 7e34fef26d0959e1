import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A temporary folder for unix sockets. Its path is short: a socket path has at most 107 bytes. */
export class SocketFolder {
  readonly path: string = mkdtempSync(join(tmpdir(), 'nbdjs-'))
  #count = 0

  /** A path in the folder that was not returned before. */
  freshPath(): string {
    return join(this.path, `${this.#count++}.sock`)
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** Listens on a unix socket; resolves with the server when it accepts connections. */
export async function listening<S extends Server>(server: S, path: string): Promise<S> {
  server.listen(path)
  await once(server, 'listening')
  return server
}
