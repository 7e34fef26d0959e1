/**
 * The package manager, in the version that package.json names. Runs on a bare Node: npm installs it once into .cache and
 * compares it with the checksum in package.json.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository. */
export const repository = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Runs pnpm in the repository and waits for it.
 *
 * @param {readonly string[]} args
 * @param {'inherit' | 'ignore'} output Where its standard output goes.
 * @returns {string | undefined} Why it failed, or undefined.
 */
export const pnpm = (args, output) => {
  const { packageManager } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  try {
    const program = install(parsePackageManager(packageManager), join(repository, '.cache'))
    const { status, signal, error } = spawnSync(process.execPath, [program, ...args], {
      cwd: repository,
      stdio: ['ignore', output, 'inherit'],
      // pnpm asks no questions in CI.
      env: { ...process.env, CI: 'true' },
    })
    if (status === 0) return undefined
    return error?.message ?? `pnpm ${args[0]} ended with ${signal ?? `exit code ${status}`}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/**
 * @typedef {object} PackageManager
 * @property {string} version
 * @property {string} checksum SHA-512 of the tarball, in hex.
 */

/**
 * Reads the field `packageManager`: `pnpm@VERSION+sha512.HEX`.
 *
 * @param {string} text
 * @returns {PackageManager}
 */
export const parsePackageManager = (text) => {
  const [, version, checksum] = /^pnpm@([^+]+)\+sha512\.([0-9a-f]{128})$/.exec(text) ?? []
  if (version === undefined || checksum === undefined) {
    throw new Error(`packageManager: expected pnpm@VERSION+sha512.CHECKSUM, received ${JSON.stringify(text)}`)
  }
  return { version, checksum }
}

/**
 * Installs pnpm unless it is installed. npm checks the tarball against the lockfile that is written here.
 *
 * @param {PackageManager} packageManager
 * @param {string} cache The folder to install into.
 * @returns {string} The path of the program.
 * @throws {Error} when npm cannot download it, or when its checksum differs.
 */
export const install = ({ version, checksum }, cache) => {
  const folder = join(cache, `pnpm-${version}-${checksum.slice(0, 16)}`)
  const program = 'node_modules/pnpm/bin/pnpm.cjs'
  if (existsSync(join(folder, program))) return join(folder, program)
  mkdirSync(cache, { recursive: true })
  const fresh = mkdtempSync(join(cache, 'pnpm-'))
  try {
    const dependencies = { pnpm: version }
    const integrity = `sha512-${Buffer.from(checksum, 'hex').toString('base64')}`
    const packages = { '': { dependencies }, 'node_modules/pnpm': { version, integrity } }
    writeFileSync(join(fresh, 'package.json'), JSON.stringify({ private: true, dependencies }))
    writeFileSync(join(fresh, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages }))
    const options = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    const { status, stderr, error } = spawnSync('npm', ['ci', ...options], {
      cwd: fresh,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
      shell: process.platform === 'win32',
    })
    if (status !== 0) {
      throw new Error(`pnpm ${version} could not be installed: ${error?.message ?? stderr.trim()}`)
    }
    // A concurrent call may have been faster.
    if (!existsSync(folder)) renameSync(fresh, folder)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return join(folder, program)
}
