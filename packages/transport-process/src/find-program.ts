import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { type Errno, NbdTransportError } from '@nbdjs/core'

/** Where glibc looks when there is no PATH. */
const defaultPath = '/bin:/usr/bin'

/**
 * The path of a program, looked up as execvp(3) does: in the folders of PATH, unless its name has a slash.
 *
 * Rejects with a NbdTransportError that names the program: ENOENT when there is none, EACCES when what is there
 * cannot be executed.
 */
export async function findProgram(
  address: string,
  name: string,
  searchPath: string = process.env['PATH'] ?? defaultPath,
): Promise<string> {
  const isPath = name.includes('/')
  const candidates = isPath ? [name] : searchPath.split(':').map((folder) => `${folder || '.'}/${name}`)
  let errno: Errno = 'ENOENT'
  for (const path of candidates) {
    const obstacle = await obstacleTo(path)
    // What begins with a dash would be an option of the shell's.
    if (obstacle === undefined) return path.startsWith('/') ? path : `./${path}`
    if (!isNotThere(obstacle)) errno = obstacle
  }
  const where = isPath ? '' : ` in PATH (${searchPath})`
  const what = isNotThere(errno)
    ? `there is no program ${name}${where}`
    : `${name} cannot be executed${where}`
  throw new NbdTransportError(`dial of ${address} failed: ${errno}: ${what}`, {
    operation: 'dial',
    address,
    errno,
  })
}

function isNotThere(errno: Errno): boolean {
  return errno === 'ENOENT' || errno === 'ENOTDIR'
}

/** Why this cannot be executed, or undefined. */
async function obstacleTo(path: string): Promise<Errno | undefined> {
  try {
    if (!(await stat(path)).isFile()) return 'EACCES'
    await access(path, constants.X_OK)
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EACCES'
  }
}
