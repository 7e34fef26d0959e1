/** Which of the peers' programs are here, and how one is run. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findCommand } from '../../../scripts/peers/debian-packages.mjs'
import { newestFolder } from '../../../scripts/peers/newest.mjs'

/** The programs that the machine has installed, or the newest, which scripts/prepare-peers.mjs unpacks. */
export type Installation = 'host' | 'newest'

export const installations: readonly Installation[] = ['host', 'newest']

export type Program =
  | 'certtool'
  | 'nbd-server'
  | 'nbdcopy'
  | 'nbdinfo'
  | 'nbdkit'
  | 'psktool'
  | 'qemu-img'
  | 'qemu-io'
  | 'qemu-nbd'

interface Architecture {
  /** The folder of its libraries. */
  readonly triplet: string
  readonly loader: string
}

const architectures: Readonly<Record<string, Architecture>> = {
  x64: { triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
}

const { triplet, loader } = architectures[process.arch] ?? { triplet: process.arch, loader: 'ld.so' }
const newestLibraries = join(newestFolder, 'usr/lib', triplet)

/** The whole path of a program, or undefined if it is missing. */
const pathOf = (program: Program, installation: Installation): string | undefined => {
  if (installation === 'host') return findCommand(program)
  const path = join(newestFolder, 'usr/bin', program)
  return existsSync(path) ? path : undefined
}

/**
 * The words that begin a command line with this program.
 *
 * The newest programs run by the dynamic loader and the libraries that came with them (ld.so(8)): they are
 * unpacked, not installed.
 *
 * @throws {Error} if the program is missing; it names the remedy.
 */
export const commandLine = (program: Program, installation: Installation): readonly string[] => {
  const path = pathOf(program, installation)
  if (path === undefined) throw new Error(missingPrograms([program], installation))
  if (installation === 'host') return [path]
  return [join(newestLibraries, loader), '--library-path', newestLibraries, path]
}

/** The whole path of a library that came with the newest programs. */
export const libraryPath = (name: string): string => join(newestLibraries, name)

/** What is missing of these programs and how to get it, or undefined if nothing is. */
export const missingPrograms = (
  programs: readonly Program[],
  installation: Installation,
): string | undefined => {
  const missing = programs.filter((program) => pathOf(program, installation) === undefined)
  if (missing.length === 0) return undefined
  return `${missing.join(', ')} (${installation}) is missing: run \`node scripts/prepare-peers.mjs\``
}

/**
 * What nbdkit is told to load: by name it would find the host's, whichever nbdkit asks, as it knows the
 * folder by its whole path.
 */
export const nbdkitModule = (kind: 'filter' | 'plugin', name: string, installation: Installation): string =>
  installation === 'host' ? name : join(newestLibraries, 'nbdkit', `${kind}s`, `nbdkit-${name}-${kind}.so`)
