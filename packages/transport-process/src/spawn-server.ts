import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { transportError } from '@nbdjs/node-socket'

export interface SpawnOptions {
  /** Whom errors name. */
  readonly address: string
  /** What the shell does first: a script whose `"$@"` is the program and its arguments. */
  readonly script: string
  readonly program: string
  readonly args: readonly string[]
  readonly stdio: StdioOptions
  readonly env: NodeJS.ProcessEnv
}

export const shell = '/bin/sh'

/**
 * Starts a program by way of the shell, which becomes the program: the pid is the same. When it could not be
 * started, the child has no pid, and {@link spawnError} tells why.
 *
 * Throws a NbdTransportError for what Node finds out at once.
 */
export function spawnServer(options: SpawnOptions, file: string = shell): ChildProcess {
  const { address, script, program, args, stdio, env } = options
  try {
    return spawn(file, ['-c', script, 'sh', program, ...args], { stdio, env })
  } catch (error) {
    throw transportError(address, error, 'dial')
  }
}

/** Why the child has no pid. */
export async function spawnError(address: string, child: ChildProcess): Promise<Error> {
  const [error] = await once(child, 'error').catch((reason) => [reason])
  return transportError(address, error, 'dial')
}
