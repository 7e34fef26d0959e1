// Not TypeScript, because jest loads this file without a transform.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runVariable, scratchPrefix } from './test-run.mjs'

/**
 * jest's global teardown: fails the run if a test has left a process or a folder, and removes it.
 *
 * It reads the system's tables, because the harness may have forgotten a process.
 */
export default () => {
  const processes = markedProcesses()
  for (const { pid } of processes) process.kill(pid, 'SIGKILL')
  const folders = [...new Set([tmpdir(), '/tmp'])].flatMap(scratchFoldersIn)
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  const leaks = [...processes.map(({ pid, command }) => `process ${pid}: ${command}`), ...folders]
  if (leaks.length > 0) throw new Error(`left by the tests:\n${leaks.join('\n')}`)
}

/** The processes with the mark of this run, except jest's workers. */
const markedProcesses = () => {
  const mark = `${runVariable}=${process.env[runVariable]}`
  return processIds()
    .filter((pid) => readWords(pid, 'environ').includes(mark))
    .map((pid) => ({ pid, command: readWords(pid, 'cmdline').join(' ') }))
    .filter(({ command }) => !command.includes('jest-worker'))
}

/** All processes in /proc (proc(5)); none on other systems. */
const processIds = () =>
  existsSync('/proc')
    ? readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
    : []

/**
 * Reads a file of zero-terminated strings (proc(5)). Empty if the process is gone or belongs to another user.
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
