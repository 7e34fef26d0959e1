import { closeSync, openSync } from 'node:fs'

/** Releases the resources that a mutant leaked. */
const undo: (() => void)[] = []

export function leakDescriptor(): void {
  const descriptor = openSync('/dev/null', 'r')
  undo.push(() => closeSync(descriptor))
}

/** Leaks many timers: the end of one of the test runner's own could hide a single one. */
export function leakTimer(): void {
  const timers = Array.from({ length: 100 }, () => setTimeout(() => {}, 60_000))
  undo.push(() => timers.forEach(clearTimeout))
}

export function clearLeaks(): void {
  for (const clear of undo.splice(0)) clear()
}
