import { readdirSync, readFileSync } from 'node:fs'
import { describe } from '@jest/globals'

/** For tests that read /proc (proc(5)); on another system they are skipped. */
export const describeOnLinux: typeof describe | typeof describe.skip =
  process.platform === 'linux' ? describe : describe.skip

/** The processes that this one started and has not reaped, zombies included. */
export function childrenOfThisProcess(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === process.pid)
}

/** Whether there is such a process, running or a zombie. */
export function isThere(pid: number): boolean {
  return parentOf(pid) !== undefined
}

/** The fourth field of `/proc/PID/stat`, after the name in brackets. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}

/** Whether there is such a process that is not a zombie. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z'
  } catch {
    return false
  }
}
