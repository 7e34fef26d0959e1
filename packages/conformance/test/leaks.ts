import { closeSync, openSync } from 'node:fs'

/** How to undo what was leaked on purpose. */
const undo: (() => void)[] = []

export function leakDescriptor(): void {
  const descriptor = openSync('/dev/null', 'r')
  undo.push(() => closeSync(descriptor))
}

/** Many, for the runner's own timers come and go meanwhile: they would make up for one. */
export function leakTimer(): void {
  const timers = Array.from({ length: 100 }, () => setTimeout(() => {}, 60_000))
  undo.push(() => timers.forEach(clearTimeout))
}

export function clearLeaks(): void {
  for (const clear of undo.splice(0)) clear()
}
