import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import type { OnReadOptions } from '../src/socket-reader.js'

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

/** Listens and resolves with the server. */
export async function listening(server: net.Server, path: string): Promise<net.Server> {
  server.listen(path)
  await once(server, 'listening')
  return server
}

/** What dialSocket is given to connect to `path`. */
export const connecting =
  (path: string) =>
  (onread: OnReadOptions): net.Socket =>
    net.connect({ path, allowHalfOpen: true, onread })
