import type { Platform } from '../src/platform.js'
import type { Syscalls } from '../src/syscalls.js'

type Versions = Partial<Platform['runtime']['versions']>

/** A process on any system, with the given system calls. */
export function platformOf(
  platform: NodeJS.Platform,
  loadSyscalls: () => Syscalls,
  versions: Versions = {},
): Platform {
  return {
    runtime: { platform, arch: 'x64', versions: { ...process.versions, ...versions } },
    loadSyscalls,
  }
}

/** For platforms on which no native code may be loaded. */
export function loadNothing(): never {
  throw new Error('native code was loaded where it cannot help')
}
