import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface PeerProcess {
  readonly pid: number
  /** The last 64 KiB of its error output. */
  stderr(): string
  /** The exit code or the signal, or `undefined` while it runs. */
  end(): string | undefined
  /** Kills the process and its children with SIGKILL. */
  kill(): void
  /** Sends SIGTERM, waits for the exit, and kills the rest of the process group. */
  stop(): Promise<void>
}

const stderrLimit = 65536
/** Shorter than jest's limit for a hook, because this message is more precise. */
const stopLimitMs = 10_000
const running = new Set<PeerProcess>()

/** Starts a process in a new process group. It is stopped after the test that started it. */
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

/** Stops all running peers. Throws if one had to be killed. */
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
  // Emitted once no process holds the pipe, children included.
  const closed = once(child, 'close')
  const stop = async (): Promise<void> => {
    running.delete(peer)
    if (end === undefined) child.kill('SIGTERM')
    const isInTime = await settlesInTime(stopLimitMs, exited)
    killGroup(pid)
    await closed
    const name = child.spawnargs.join(' ')
    if (!isInTime)
      throw new Error(
        `${name}: killed because it did not exit ${stopLimitMs} ms after SIGTERM; is a client still connected?`,
      )
  }
  const kill = (): void => killGroup(pid)
  const peer: PeerProcess = { pid, stderr: () => stderr, end: () => end, kill, stop }
  return peer
}

const settlesInTime = async (limitMs: number, promise: Promise<unknown>): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, limitMs, false)
  })
  const isInTime = await Promise.race([promise.then(() => true), late])
  clearTimeout(timer)
  return isInTime
}

/** Kills children too, which a server has forked or a script of nbdkit has started. */
const killGroup = (leader: number): void => {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // No process is left.
  }
}
