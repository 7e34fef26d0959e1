/**
 * Makes the other programs ready that the suites talk to: installs them on Debian and Ubuntu, where this user
 * may, and otherwise says what to install. Quick when everything is there.
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
 * @property {string} [problem] Why it could not be made ready.
 * @property {string} [remedy] What to do, as a command where there is one.
 */

/** @returns {Preparation} */
export const preparePeers = () => {
  if (missingPackages().length === 0 && hasNewest()) return { suites: [] }
  if (findCommand('apt-get') === undefined || !existsSync('/etc/debian_version')) {
    return unprepared('This is neither Debian nor Ubuntu, whose packages the suites know.', {
      remedy: `Install by this system's own means what Debian calls ${names()}. ${newestNote}`,
    })
  }
  if (!mayBecomeRoot()) {
    return unprepared('Packages are missing, and this user is not root and has no password-less sudo.', {
      remedy: `sudo ${process.execPath} scripts/prepare-peers.mjs`,
    })
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

const newestNote = 'The newest servers are unpacked from Debian only; their tests are left out elsewhere.'

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
    console.log('Every peer is there.')
  } else {
    console.error(`${problem}\nRemedy: ${remedy}`)
    process.exitCode = 1
  }
}
