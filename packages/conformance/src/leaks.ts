import { ConformanceError } from './checks.js'
import { idle } from './event-loop.js'
import type { OpenResources } from './setup.js'

/** The part of Node's `process` that is used here. Other runtimes may lack it. */
interface NodeProcess {
  getActiveResourcesInfo?(): string[]
  getBuiltinModule?(name: 'node:fs'): { readdirSync(path: string): string[] } | undefined
}

/** Each entry of these folders is an open descriptor of this process. */
const descriptorFolders = ['/proc/self/fd', '/dev/fd']

/**
 * Counts the open resources of this process: descriptors where the system lists them (Linux, macOS), and the resources
 * that `process.getActiveResourcesInfo()` lists (Node).
 */
export function openResources(): OpenResources {
  const process = (globalThis as { process?: NodeProcess }).process
  const counts: Record<string, number> = {}
  const descriptors = countDescriptors(process)
  if (descriptors !== undefined) counts['descriptors'] = descriptors
  for (const kind of process?.getActiveResourcesInfo?.() ?? []) counts[kind] = (counts[kind] ?? 0) + 1
  if (descriptors === undefined && process?.getActiveResourcesInfo === undefined) {
    throw new ConformanceError('this runtime does not list open resources: add openResources() to the setup')
  }
  return counts
}

function countDescriptors(process: NodeProcess | undefined): number | undefined {
  const fs = process?.getBuiltinModule?.('node:fs')
  for (const folder of descriptorFolders) {
    try {
      if (fs !== undefined) return fs.readdirSync(folder).length
    } catch {}
  }
  return undefined
}

/** Resolves once no more is open than `before`. Throws if that is not the case after `withinMs`. */
export async function untilReleased(
  count: () => OpenResources,
  before: OpenResources,
  withinMs: number,
): Promise<void> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const isLate = performance.now() > deadline
    const leaks = added(before, count())
    if (leaks.length === 0) return
    if (isLate) throw new ConformanceError(`left open: ${leaks.join(', ')}`)
    await idle(5)
  }
}

function added(before: OpenResources, after: OpenResources): string[] {
  return Object.entries(after)
    .filter(([kind, count]) => count > (before[kind] ?? 0))
    .map(([kind, count]) => `${count} ${kind} (${before[kind] ?? 0} before)`)
}

/** An abort signal that counts its listeners. */
export class CountedSignal {
  readonly #controller = new AbortController()
  readonly #listeners = new Set<unknown>()

  constructor() {
    const { signal } = this
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>): void => {
      this.#listeners.add(args[1])
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>): void => {
      this.#listeners.delete(args[1])
      removeEventListener.apply(signal, args)
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The number of listeners for 'abort', `onabort` included. */
  get listenerCount(): number {
    return this.#listeners.size + (this.signal.onabort === null ? 0 : 1)
  }

  /** Aborts. Afterwards no listener counts, because each has been called. */
  abort(reason: unknown): void {
    this.#controller.abort(reason)
    this.#listeners.clear()
  }
}
