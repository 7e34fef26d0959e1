/** The processes that a server leaves in the background, found by a mark in their environment. */
import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** The environment variable that each server gets with a value of its own. Its children inherit it. */
const VARIABLE = 'NBDJS_SERVER'

const POLL_MS = 20

/** Makes the mark of one server. */
export function newMark(): NodeJS.ProcessEnv {
  return { [VARIABLE]: randomUUID() }
}

/**
 * Ends the processes that have a mark: SIGTERM, and SIGKILL after `graceMs`. Resolves with their pids once they have
 * ended. Only Linux shows the environment of a process (proc(5)): elsewhere none is found.
 */
export async function endMarked(mark: NodeJS.ProcessEnv, graceMs: number): Promise<readonly number[]> {
  const found = await findMarked(mark)
  for (const pid of found) send(pid, 'SIGTERM')
  const started = performance.now()
  let left = found
  while (left.length > 0 && performance.now() - started < graceMs) {
    await sleep(POLL_MS)
    left = await stillMarked(left, mark)
  }
  for (const pid of left) send(pid, 'SIGKILL')
  while (left.length > 0) {
    await sleep(POLL_MS)
    left = await stillMarked(left, mark)
  }
  return found
}

async function findMarked(mark: NodeJS.ProcessEnv): Promise<readonly number[]> {
  const names = await readdir('/proc').catch(() => [])
  return stillMarked(names.filter((name) => /^\d+$/.test(name)).map(Number), mark)
}

async function stillMarked(pids: readonly number[], mark: NodeJS.ProcessEnv): Promise<readonly number[]> {
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
