/** The processes that a server leaves in the background, found by a mark in their environment. */
import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** The environment variable that each server gets with a value of its own. Its children inherit it. */
const VARIABLE = 'NBDJS_SERVER'

const POLL_MS = 20

/** How long after SIGKILL a process may need to end: one that waits for a disk does not notice it before. */
const KILL_GRACE_MS = 2000

/** Makes the mark of one server. */
export function newMark(): NodeJS.ProcessEnv {
  return { [VARIABLE]: randomUUID() }
}

/**
 * Ends the processes that have a mark: SIGTERM, and SIGKILL after `graceMs`. Resolves with their pids once they have
 * ended. Only Linux shows the environment of a process (proc(5)): elsewhere none is found.
 */
export async function endMarked(mark: NodeJS.ProcessEnv, graceMs: number): Promise<readonly number[]> {
  const all = new Set<number>()
  const started = performance.now()
  // A process that forks during a scan may be missed by it: two in a row must find none.
  for (let empty = 0; empty < 2; ) {
    const found = await findMarked(mark)
    const elapsedMs = performance.now() - started
    const isLate = elapsedMs >= graceMs
    if (elapsedMs >= graceMs + KILL_GRACE_MS) break
    for (const pid of found) {
      if (isLate) send(pid, 'SIGKILL')
      else if (!all.has(pid)) send(pid, 'SIGTERM')
      all.add(pid)
    }
    empty = found.length === 0 ? empty + 1 : 0
    await sleep(POLL_MS)
  }
  return [...all]
}

async function findMarked(mark: NodeJS.ProcessEnv): Promise<readonly number[]> {
  const names = await readdir('/proc').catch(() => [])
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number)
  const entry = Buffer.from(`${VARIABLE}=${mark[VARIABLE]}`)
  const marked: number[] = []
  for (const pid of pids) {
    // Empty for a zombie. Unreadable for a process of another user, or one that ended.
    const environ = await readFile(`/proc/${pid}/environ`).catch(() => undefined)
    if (environ?.includes(entry)) marked.push(pid)
  }
  return marked
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It ended by itself.
  }
}
