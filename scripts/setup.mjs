/**
 * Installs the dependencies if they are missing or older than the lockfile. Each command begins with it. Runs on a bare
 * Node.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pnpm, repository } from './pnpm.mjs'

/** @param {string} path From the root of the repository. */
const read = (path) => {
  try {
    return readFileSync(join(repository, path), 'utf8')
  } catch {
    return undefined
  }
}

// pnpm keeps a copy of the lockfile that it installed from.
const installed = read('node_modules/.pnpm/lock.yaml')
if (installed === undefined || installed !== read('pnpm-lock.yaml')) {
  console.log('Installing the dependencies (once) ...')
  const failure = pnpm(['install', '--frozen-lockfile', '--prefer-offline'], 'inherit')
  if (failure !== undefined) {
    console.error(`The dependencies could not be installed: ${failure}. Check the network and run it again.`)
    process.exitCode = 1
  }
}
