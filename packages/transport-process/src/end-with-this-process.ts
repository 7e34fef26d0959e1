import type { ChildProcess } from 'node:child_process'

const running = new Set<ChildProcess>()

/** Sends SIGTERM to a child that still runs when this process exits. */
export function endWithThisProcess(child: ChildProcess): void {
  if (running.size === 0) process.on('exit', endAll)
  running.add(child)
  child.once('exit', () => {
    running.delete(child)
    if (running.size === 0) process.off('exit', endAll)
  })
}

/** Whether a child was reaped: signals would reach whoever has its pid now. */
export function isEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

function endAll(): void {
  for (const child of running) child.kill('SIGTERM')
}
