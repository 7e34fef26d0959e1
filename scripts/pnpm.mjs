/** The package manager, in the version that package.json names. Runs on a bare Node: npx fetches it. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository. */
export const repository = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Runs pnpm in the repository and waits for it.
 *
 * @param {readonly string[]} args
 * @param {'inherit' | 'ignore'} output Where what it prints goes to.
 * @returns {string | undefined} How it ended, unless it ended well.
 */
export const pnpm = (args, output) => {
  const { packageManager } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  const version = packageManager.split('+')[0]
  const { status, error } = spawnSync('npx', ['-y', version, ...args], {
    cwd: repository,
    stdio: ['ignore', output, 'inherit'],
    // Never ask: a question would hang where nobody sees it.
    env: { ...process.env, CI: 'true' },
    shell: process.platform === 'win32',
  })
  if (status === 0) return undefined
  return error?.message ?? `${version} ended with exit code ${status}`
}
