import { once } from 'node:events'
import { renameSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { transportError } from '@nbdjs/node-socket'
import { descriptorOf } from './native-handle.js'

/** The path of a socket has 103 bytes at most on macOS, 107 on Linux; the folder and the socket take some twenty. */
const longestParent = 80

/**
 * Makes a folder that nobody else may enter, gives `use` the path of a socket in it, and removes it when that is
 * settled.
 */
export async function withSocketPath<Result>(
  address: string,
  use: (path: string) => Promise<Result>,
  temporaryFolder: string = tmpdir(),
): Promise<Result> {
  const parent = Buffer.byteLength(temporaryFolder) <= longestParent ? temporaryFolder : '/tmp'
  const folder = await mkdtemp(join(parent, 'nbdjs-')).catch((error: unknown) => {
    throw transportError(address, error, 'dial')
  })
  try {
    return await use(join(folder, 'sock'))
  } finally {
    // A folder that cannot be removed must not cost the connection.
    await rm(folder, { recursive: true, force: true }).catch(() => {})
  }
}

/**
 * Listens on `path`, has `spawn` give the socket to a child, and stops listening itself; the child's socket goes
 * on under that path.
 *
 * All this is one turn of the event loop: libuv would ask for connections on the next one, and by then there is
 * nothing of ours left to take them.
 */
export async function listenForChild<Child>(
  address: string,
  path: string,
  spawn: (fd: number) => Child,
): Promise<Child> {
  const server = createServer()
  server.listen({ path, exclusive: true })
  if (!server.listening) throw await listenError(address, server)
  try {
    return spawn(descriptorOf(address, server))
  } finally {
    closeKeeping(server, path)
  }
}

/** libuv removes the path of a socket that it closes. */
function closeKeeping(server: Server, path: string): void {
  const kept = `${path}-kept`
  renameSync(path, kept)
  server.close()
  renameSync(kept, path)
}

async function listenError(address: string, server: Server): Promise<Error> {
  const [error] = await once(server, 'error')
  return transportError(address, error, 'dial')
}
