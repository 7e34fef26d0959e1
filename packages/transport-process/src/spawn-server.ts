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

/** A child that runs, or why there is none: Node tells that one turn later. */
export type Spawned = { readonly child: ChildProcess } | { readonly failure: Promise<Error> }

const shell = '/bin/sh'

/**
 * Starts a program by way of the shell, which becomes the program: the pid is the same.
 *
 * Throws a NbdTransportError for what Node finds out at once.
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
