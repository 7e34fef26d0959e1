import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { commandLine, type Installation, type Program } from './installation.js'

export interface ClientRun {
  readonly stdout: string
  readonly stderr: string
}

const clientLimitMs = 60_000

/**
 * Runs a client program to its end. The event loop continues meanwhile, because the server may be in this process.
 *
 * @throws {Error} with the error output of the client, if it fails or does not exit in time.
 */
export const runClient = async (
  program: Program,
  installation: Installation,
  args: readonly string[],
): Promise<ClientRun> => {
  const [command = '', ...first] = commandLine(program, installation)
  const child = spawn(command, [...first, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
    timeout: clientLimitMs,
    killSignal: 'SIGKILL',
  })
  const ended = new Promise<string | undefined>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(undefined)
      else resolve(signal === null ? `exit code ${code}` : `signal ${signal} (limit ${clientLimitMs} ms)`)
    })
  })
  const [stdout, stderr, fault] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (fault !== undefined)
    throw new Error(`${program} ${args.join(' ')} failed: ${fault}:\n${stderr}${stdout}`)
  return { stdout, stderr }
}
