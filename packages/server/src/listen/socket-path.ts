import { lstat, unlink } from 'node:fs/promises'
import net from 'node:net'

/**
 * Removes the socket that a server left behind when it died. Returns why not when it is none, and leaves it
 * alone: something answers there, or it is no socket.
 */
export async function removeStaleSocket(path: string): Promise<string | undefined> {
  const before = await lstat(path)
  if (!before.isSocket()) return 'there is a file of that name, and it is no socket'
  const answer = await knock(path)
  if (answer !== 'ECONNREFUSED') return answer
  const after = await lstat(path)
  if (after.ino !== before.ino || after.ctimeMs !== before.ctimeMs) return 'another server has just taken it'
  await unlink(path)
  return undefined
}

/** 'ECONNREFUSED' when nobody listens, else what was found. */
function knock(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve('a server answers there')
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(
        error.code === 'ECONNREFUSED'
          ? error.code
          : `it cannot be told whether it is in use: ${error.message}`,
      )
    })
  })
}
