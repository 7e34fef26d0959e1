import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Usage } from './usage.js'

const run = promisify(execFile)

/** The path of a built program of `programs/`. */
export const pathOf = (program: string): string =>
  fileURLToPath(new URL(`programs/${program}`, import.meta.url))

/** Runs a program of `programs/` with Node and returns the JSON that it prints. */
export const runProgram = <T = Usage>(program: string, ...args: readonly string[]): Promise<T> =>
  runAndParse<T>(process.execPath, pathOf(program), ...args)

/** Runs a command and returns the JSON that it prints. */
export const runAndParse = async <T = Usage>(command: string, ...args: readonly string[]): Promise<T> => {
  const { stdout } = await run(command, args, { encoding: 'utf8' })
  return JSON.parse(stdout) as T
}

/** How often the memory of a process is sampled, in milliseconds. */
const sampleMs = 50

/** Runs a command and returns its cost from its start to its end. Its output is dropped. */
export const runToEnd = async (command: string, ...args: readonly string[]): Promise<Usage> => {
  const start = performance.now()
  // The second line of `times` (POSIX) is the processor time of the shell's children.
  const script = '"$@" >/dev/null; status=$?; times; exit $status'
  const child = spawn('sh', ['-c', script, 'sh', command, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  const ended = once(child, 'close')
  let peakRssBytes = 0
  let isRunning = true
  void ended.finally(() => {
    isRunning = false
  })
  while (isRunning) {
    peakRssBytes = Math.max(peakRssBytes, await peakRssOfChild(child.pid))
    await Promise.race([ended, delay(sampleMs)])
  }
  const [code] = await ended
  if (code !== 0) throw new Error(`${command}: exited with code ${code}`)
  const seconds = (performance.now() - start) / 1000
  return { seconds, cpuSeconds: cpuOfChildren(Buffer.concat(output).toString()), peakRssBytes }
}

/** VmHWM of the first child of a process (proc(5)), or 0 if there is none. */
const peakRssOfChild = async (pid: number | undefined): Promise<number> => {
  try {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
    const status = await readFile(`/proc/${children.trim().split(' ')[0]}/status`, 'utf8')
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

/** Parses the second line of `times`, such as `0m1.250s 0m0.310s`: user and system time of the children. */
const cpuOfChildren = (times: string): number =>
  [...(times.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
    0,
  )
