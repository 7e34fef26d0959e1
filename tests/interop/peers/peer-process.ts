/** Processes that run beside the tests: started, watched and stopped by their pid. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface PeerProcess {
  readonly pid: number
  /** The end of what it has written on its standard error, 64 KiB at most. */
  stderr(): string
  /** How it ended, or undefined while it runs. */
  end(): string | undefined
  /** Ends it and its children at once (SIGKILL). */
  kill(): void
  /** Asks it to end (SIGTERM) and waits until it has; kills what is left of its process group. */
  stop(): Promise<void>
}

const stderrLimit = 65536
/** Shorter than jest's limit for a hook, so that this is told and not that. */
const stopLimitMs = 10_000
const running = new Set<PeerProcess>()

/** Starts a process in a process group of its own. It is stopped after the test that started it. */
export const startPeer = async (argv: readonly string[]): Promise<PeerProcess> => {
  const [command = '', ...args] = argv
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  })
  await once(child, 'spawn')
  const peer = watch(child)
  running.add(peer)
  return peer
}

/** Stops every peer that is still running. Throws if one had to be killed. */
export const stopPeers = async (): Promise<void> => {
  await Promise.all([...running].map((peer) => peer.stop()))
}

const watch = (child: ChildProcess): PeerProcess => {
  const pid = child.pid as number
  let stderr = ''
  let end: string | undefined
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-stderrLimit)
  })
  const exited = new Promise<void>((resolve) => {
    child.on('exit', (code, signal) => {
      end = signal === null ? `exit code ${code}` : `signal ${signal}`
      resolve()
    })
  })
  // Comes when nobody holds the pipe any more, the children included.
  const closed = once(child, 'close')
  const stop = async (): Promise<void> => {
    running.delete(peer)
    if (end === undefined) child.kill('SIGTERM')
    const isInTime = await settlesWithin(stopLimitMs, exited)
    killGroup(pid)
    await closed
    const name = child.spawnargs.join(' ')
    if (!isInTime)
      throw new Error(
        `${name} had to be killed, ${stopLimitMs} ms after SIGTERM: is a client still connected?`,
      )
  }
  const kill = (): void => killGroup(pid)
  const peer: PeerProcess = { pid, stderr: () => stderr, end: () => end, kill, stop }
  return peer
}

const settlesWithin = async (limitMs: number, promise: Promise<unknown>): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, limitMs, false)
  })
  const isInTime = await Promise.race([promise.then(() => true), late])
  clearTimeout(timer)
  return isInTime
}

/** Children that a server forked, or that a script of nbdkit's started. */
const killGroup = (leader: number): void => {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // Nobody is left.
  }
}
