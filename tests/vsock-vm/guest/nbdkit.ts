import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** An nbdkit that listens on AF_VSOCK. */
export interface Nbdkit {
  readonly port: number
  stop(): Promise<void>
}

let nextPort = 10809

/** Starts `nbdkit --vsock` with a plugin and its parameters; resolves once it listens. */
export async function startNbdkit(...plugin: readonly string[]): Promise<Nbdkit> {
  const port = nextPort++
  const pidFile = `/tmp/nbdkit-${port}.pid`
  const options = ['--foreground', '--vsock', '--port', String(port), '--pidfile', pidFile]
  // Not to the serial line, which carries the results.
  const logFile = `/tmp/nbdkit-${port}.log`
  const log = openSync(logFile, 'w')
  const child = spawn('nbdkit', [...options, ...plugin], { stdio: ['ignore', log, log] })
  closeSync(log)
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  while (!existsSync(pidFile)) {
    if (child.exitCode !== null) throw new Error(`nbdkit ${plugin.join(' ')}: ${readFileSync(logFile)}`)
    await sleep(5)
  }
  return { port, stop: () => stop(child, exited) }
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.kill()
  await exited
}
