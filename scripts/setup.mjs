/**
 * Installs the dependencies when they are missing or older than the lockfile. Quick when there is nothing to
 * do, so that every command begins with it. Runs on a bare Node: no dependency, no global pnpm.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** @param {string} path From the root of the repository. */
const read = (path) => {
  try {
    return readFileSync(join(root, path), 'utf8')
  } catch {
    return undefined
  }
}

// pnpm keeps a copy of the lockfile that it installed from.
const installed = read('node_modules/.pnpm/lock.yaml')
if (installed === undefined || installed !== read('pnpm-lock.yaml')) {
  const pnpm = JSON.parse(read('package.json') ?? '{}').packageManager.split('+')[0]
  console.log(`Installing the dependencies with ${pnpm} (once) ...`)
  const { status, error } = spawnSync(
    'npx',
    ['-y', pnpm, 'install', '--frozen-lockfile', '--prefer-offline'],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, CI: 'true' },
      shell: process.platform === 'win32',
    },
  )
  if (status !== 0) {
    console.error(
      `The dependencies could not be installed${error ? `: ${error.message}` : ''}. Check the network, then run the command again.`,
    )
    process.exit(1)
  }
}
