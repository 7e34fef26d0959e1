import { closeSync, openSync } from 'node:fs'

/** How to undo what was leaked on purpose. */
const undo: (() => void)[] = []

export function leakDescriptor(): void {
  const descriptor = openSync('/dev/null', 'r')
  undo.push(() => closeSync(descriptor))
}

export function leakTimer(): void {
  const timer = setTimeout(() => {}, 60_000)
  undo.push(() => clearTimeout(timer))
}

export function clearLeaks(): void {
  for (const clear of undo.splice(0)) clear()
}
