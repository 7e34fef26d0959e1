import { ConformanceError } from './conformance-error.js'
import type { OpenResources } from './setup.js'
import { sleep } from './sleep.js'

/** The part of Node's `process` that is needed here, which other runtimes may lack. */
interface NodeProcess {
  getActiveResourcesInfo?(): string[]
  getBuiltinModule?(name: 'node:fs'): { readdirSync(path: string): string[] } | undefined
}

/** Each entry of these is an open descriptor of this process. */
const descriptorFolders = ['/proc/self/fd', '/dev/fd']

/**
 * What this process holds open: descriptors where the system lists them (Linux, macOS), and what
 * `process.getActiveResourcesInfo()` knows of (Node).
 */
export function openResources(): OpenResources {
  const process = (globalThis as { process?: NodeProcess }).process
  const counts: Record<string, number> = {}
  const descriptors = countDescriptors(process)
  if (descriptors !== undefined) counts['descriptors'] = descriptors
  for (const kind of process?.getActiveResourcesInfo?.() ?? []) counts[kind] = (counts[kind] ?? 0) + 1
  if (descriptors === undefined && process?.getActiveResourcesInfo === undefined) {
    throw new ConformanceError(
      'this runtime does not tell what is open: give the setup a function openResources that does',
    )
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

/**
 * Resolves once no more is open than `before`, throws when that is not so after `withinMs`. Closing takes its
 * time: a few turns of the event loop are allowed.
 */
export async function untilReleased(
  count: () => OpenResources,
  before: OpenResources,
  withinMs: number,
): Promise<void> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const leaks = compare(before, count())
    if (leaks.length === 0) return
    if (performance.now() > deadline) throw new ConformanceError(`left open: ${leaks.join(', ')}`)
    await sleep(5)
  }
}

function compare(before: OpenResources, after: OpenResources): string[] {
  return Object.entries(after)
    .filter(([kind, count]) => count > (before[kind] ?? 0))
    .map(([kind, count]) => `${count} ${kind} (${before[kind] ?? 0} before)`)
}
