/** What runs in a process of its own. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Usage } from './usage.js'

const run = promisify(execFile)

/** The whole path of one of `programs/`. */
export const pathOf = (program: string): string =>
  fileURLToPath(new URL(`programs/${program}`, import.meta.url))

/** Runs one of `programs/` by Node, and returns what it tells: JSON in one line. */
export const runProgram = <T = Usage>(program: string, ...args: readonly string[]): Promise<T> =>
  runTeller<T>(process.execPath, pathOf(program), ...args)

/** Runs whatever tells JSON in one line. */
export const runTeller = async <T = Usage>(command: string, ...args: readonly string[]): Promise<T> => {
  const { stdout } = await run(command, args, { encoding: 'utf8' })
  return JSON.parse(stdout) as T
}

/** How often the memory of somebody else's program is looked at. */
const lookMs = 50

/** Runs anybody's program, and tells what the whole of it took, from its start to its end. Its output is dropped. */
export const runWhole = async (command: string, ...args: readonly string[]): Promise<Usage> => {
  const start = performance.now()
  // The shell tells what its child took, in its own second and the child's third and fourth figure: times, POSIX.
  const child = spawn(
    'sh',
    ['-c', '"$@" >/dev/null; status=$?; times; exit $status', 'sh', command, ...args],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
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
    await Promise.race([ended, delay(lookMs)])
  }
  const [code] = await ended
  if (code !== 0) throw new Error(`${command} ended with exit code ${code}`)
  const seconds = (performance.now() - start) / 1000
  return { seconds, cpuSeconds: cpuOfChildren(Buffer.concat(output).toString()), peakRssBytes }
}

/** VmHWM of the first child of a process: proc(5). 0 when there is none. */
const peakRssOfChild = async (pid: number | undefined): Promise<number> => {
  try {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
    const status = await readFile(`/proc/${children.trim().split(' ')[0]}/status`, 'utf8')
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

/** The second line: user and system time of the children, as in `0m1.250s 0m0.310s`. */
const cpuOfChildren = (times: string): number =>
  [...(times.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
    0,
  )
