import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findCommand } from '../../../scripts/peers/debian-packages.mjs'
import { newestFolder } from '../../../scripts/peers/newest.mjs'

/** `host`: the programs installed on this machine. `newest`: those that scripts/prepare-peers.mjs unpacks. */
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
  /** The folder of the libraries. */
  readonly triplet: string
  readonly loader: string
}

const architectures: Readonly<Record<string, Architecture>> = {
  x64: { triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
}

const { triplet, loader } = architectures[process.arch] ?? { triplet: process.arch, loader: 'ld.so' }
const newestLibraries = join(newestFolder, 'usr/lib', triplet)

/** The path of a program, or `undefined` if it is missing. */
const pathOf = (program: Program, installation: Installation): string | undefined => {
  if (installation === 'host') return findCommand(program)
  const path = join(newestFolder, 'usr/bin', program)
  return existsSync(path) ? path : undefined
}

/**
 * Returns the beginning of a command line that runs a program.
 *
 * The newest programs are not installed: they are run by their own dynamic loader with their own libraries (ld.so(8)).
 *
 * @throws {Error} The program is missing; the message says how to install it.
 */
export const commandLine = (program: Program, installation: Installation): readonly string[] => {
  const path = pathOf(program, installation)
  if (path === undefined) throw new Error(missingPrograms([program], installation))
  if (installation === 'host') return [path]
  return [join(newestLibraries, loader), '--library-path', newestLibraries, path]
}

/** The path of a library of the newest programs. */
export const libraryPath = (name: string): string => join(newestLibraries, name)

/** Says which of the programs are missing and how to install them, or returns `undefined` if none is. */
export const missingPrograms = (
  programs: readonly Program[],
  installation: Installation,
): string | undefined => {
  const missing = programs.filter((program) => pathOf(program, installation) === undefined)
  if (missing.length === 0) return undefined
  return `${missing.join(', ')} (${installation}) is missing: run \`node scripts/prepare-peers.mjs\``
}

/**
 * The argument of nbdkit for a plugin or a filter. The newest nbdkit needs a path, because by name it would load the host's:
 * the folder of plugins is compiled in.
 */
export const nbdkitModule = (kind: 'filter' | 'plugin', name: string, installation: Installation): string =>
  installation === 'host' ? name : join(newestLibraries, 'nbdkit', `${kind}s`, `nbdkit-${name}-${kind}.so`)
