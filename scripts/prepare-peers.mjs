/**
 * Installs the servers and clients that the suites need, on Debian and Ubuntu as root or with sudo; elsewhere it prints
 * what to install. Quick when everything is installed.
 */
import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { findCommand, missingPackages } from './peers/debian-packages.mjs'
import { installPackages } from './peers/install-packages.mjs'
import { hasNewest, makeNewest, newestFolder } from './peers/newest.mjs'
import { mayBecomeRoot } from './peers/privilege.mjs'

/**
 * @typedef {object} Preparation
 * @property {readonly string[]} suites The suites that lack something.
 * @property {string} [problem] Why they could not be installed.
 * @property {string} [remedy] What to do, as a command where there is one.
 */

/** @returns {Preparation} */
export const preparePeers = () => {
  if (missingPackages().length === 0 && hasNewest()) return { suites: [] }
  if (findCommand('apt-get') === undefined || !existsSync('/etc/debian_version')) {
    return unprepared('The suites can install peers on Debian and Ubuntu only.', {
      remedy: `Install what Debian calls ${names()}. ${newestNote}`,
    })
  }
  if (!mayBecomeRoot()) {
    return unprepared(
      'Packages are missing, and this user is neither root nor has sudo without a password.',
      {
        remedy: `sudo ${process.execPath} scripts/prepare-peers.mjs`,
      },
    )
  }
  try {
    install()
    return { suites: [] }
  } catch (error) {
    return unprepared(error instanceof Error ? error.message : String(error), {
      remedy: `node scripts/prepare-peers.mjs`,
    })
  }
}

const newestNote = 'The newest servers are available on Debian only; elsewhere their tests are skipped.'

const install = () => {
  const missing = missingPackages().map(({ name }) => name)
  if (missing.length > 0) {
    console.log(`Installing ${missing.join(', ')} ...`)
    installPackages(missing)
  }
  if (!hasNewest()) {
    console.log(`Unpacking the newest servers into ${newestFolder} ...`)
    makeNewest()
  }
}

const names = () =>
  missingPackages()
    .map(({ name }) => name)
    .join(' ')

/**
 * @param {string} problem
 * @param {{ remedy: string }} how
 * @returns {Preparation}
 */
const unprepared = (problem, { remedy }) => {
  const suites = new Set(missingPackages().flatMap((missing) => missing.suites))
  if (!hasNewest()) suites.add('interop')
  return { suites: [...suites], problem, remedy }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { problem, remedy } = preparePeers()
  if (problem === undefined) {
    console.log('All peers are installed.')
  } else {
    console.error(`${problem}\nRemedy: ${remedy}`)
    process.exitCode = 1
  }
}
