// jest loads this file without its transform: hence no TypeScript.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runVariable, scratchPrefix } from './test-run.mjs'

/**
 * jest's global tear-down: fails the run if a test left a process or a folder behind, and clears it away.
 *
 * It looks at the system and not at the harness's own books, which would not know what they have forgotten.
 */
export default () => {
  const processes = markedProcesses()
  for (const { pid } of processes) process.kill(pid, 'SIGKILL')
  const folders = [...new Set([tmpdir(), '/tmp'])].flatMap(scratchFoldersIn)
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  const leaks = [...processes.map(({ pid, command }) => `process ${pid}: ${command}`), ...folders]
  if (leaks.length > 0) throw new Error(`The tests left behind:\n${leaks.join('\n')}`)
}

/** The processes that carry this run's mark, less jest's own, its workers. */
const markedProcesses = () => {
  const mark = `${runVariable}=${process.env[runVariable]}`
  return processIds()
    .filter((pid) => readWords(pid, 'environ').includes(mark))
    .map((pid) => ({ pid, command: readWords(pid, 'cmdline').join(' ') }))
    .filter(({ command }) => !command.includes('jest-worker'))
}

/** Those of this system that proc(5) lists; none where there is no such thing. */
const processIds = () =>
  existsSync('/proc')
    ? readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
    : []

/**
 * A file of strings that end in zero (proc(5)); empty if the process is gone or another user's.
 *
 * @param {number} pid
 * @param {string} file
 */
const readWords = (pid, file) => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0')
  } catch {
    return []
  }
}

/** @param {string} parent */
const scratchFoldersIn = (parent) =>
  readdirSync(parent)
    .filter((name) => name.startsWith(scratchPrefix()))
    .map((name) => join(parent, name))
