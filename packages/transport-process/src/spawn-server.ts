import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { type Errno, NbdTransportError, quote } from '@nbdjs/core'
import { transportError } from '@nbdjs/node-socket'

export interface SpawnOptions {
  /** The address that errors name. */
  readonly address: string
  /** What the shell runs first: a script whose `"$@"` is the program and its arguments. */
  readonly script: string
  readonly program: string
  readonly args: readonly string[]
  readonly stdio: StdioOptions
  readonly env: NodeJS.ProcessEnv
}

/** A child that runs, or why there is none: Node reports that one turn later. */
export type Spawned = { readonly child: ChildProcess } | { readonly failure: Promise<Error> }

const shell = '/bin/sh'

/**
 * Starts a program by the shell, which becomes the program: the pid is the same.
 *
 * Throws a NbdTransportError for what Node reports at once.
 */
export function spawnServer(options: SpawnOptions, file: string = shell): Spawned {
  const { address, script, program, args, stdio, env } = options
  const child = spawnOrThrow(address, () =>
    spawn(file, ['-c', script, 'sh', program, ...args], { stdio, env }),
  )
  if (child.pid !== undefined) return { child }
  const failure = once(child, 'error').then(([error]) => transportError(address, error, 'dial'))
  return { failure }
}

function spawnOrThrow(address: string, start: () => ChildProcess): ChildProcess {
  try {
    return start()
  } catch (error) {
    throw transportError(address, error, 'dial')
  }
}

/** The folders that glibc searches when there is no PATH. */
const defaultPath = '/bin:/usr/bin'

/**
 * Finds a program as execvp(3) does: in the folders of PATH, unless its name contains a slash. Returns its path.
 *
 * @throws {NbdTransportError} ENOENT when there is none, EACCES when what is there cannot be executed.
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
    // The shell would take a leading dash for an option.
    if (obstacle === undefined) return path.startsWith('/') ? path : `./${path}`
    if (obstacle !== 'ENOENT') errno = obstacle
  }
  const where = isPath ? '' : ` in PATH ${quote(searchPath, 1024)}`
  const what =
    errno === 'ENOENT'
      ? `there is no program ${quote(name)}${where}`
      : `${quote(name)} cannot be executed${where}`
  const details = { operation: 'dial', address, errno }
  throw new NbdTransportError(`dial of ${address} failed: ${errno}: ${what}`, details)
}

/** Why this cannot be executed, ENOENT when it does not exist, undefined when it can. */
async function obstacleTo(path: string): Promise<Errno | undefined> {
  try {
    if (!(await stat(path)).isFile()) return 'EACCES'
    await access(path, constants.X_OK)
    return undefined
  } catch (error) {
    const { code = 'EACCES' } = error as NodeJS.ErrnoException
    return code === 'ENOTDIR' ? 'ENOENT' : code
  }
}
