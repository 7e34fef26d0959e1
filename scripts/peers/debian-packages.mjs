/** The Debian packages that the suites need, and whether this machine has them. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * @typedef {object} DebianPackage
 * @property {string} name
 * @property {string} [command] A program of the package; the machine has the package if it has this.
 * @property {string} [file] The same for a package without a program.
 * @property {readonly string[]} suites The suites that need it.
 */

/** @type {readonly DebianPackage[]} */
const debianPackages = [
  // Issues the certificates of the TLS tests.
  { name: 'openssl', command: 'openssl', suites: ['unit', 'built'] },
  { name: 'nbdkit', command: 'nbdkit', suites: ['interop', 'vsock'] },
  { name: 'nbd-server', command: 'nbd-server', suites: ['interop'] },
  { name: 'qemu-utils', command: 'qemu-nbd', suites: ['interop'] },
  { name: 'libnbd-bin', command: 'nbdinfo', suites: ['interop'] },
  { name: 'gnutls-bin', command: 'certtool', suites: ['interop'] },
  { name: 'debootstrap', command: 'debootstrap', suites: ['interop'] },
  {
    name: 'debian-archive-keyring',
    file: '/usr/share/keyrings/debian-archive-keyring.gpg',
    suites: ['interop'],
  },
  { name: 'qemu-system-x86', command: 'qemu-system-x86_64', suites: ['vsock'] },
  // The package busybox has a `busybox` too, but that one needs libraries.
  { name: 'busybox-static', suites: ['vsock'] },
  { name: 'cpio', command: 'cpio', suites: ['vsock'] },
]

/** Debian keeps servers and debootstrap where an ordinary user's PATH does not lead. */
const systemFolders = ['/usr/sbin', '/sbin']

/**
 * @param {string} command
 * @returns {string | undefined} Its full path.
 */
export const findCommand = (command) => {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...systemFolders]
  return folders.map((folder) => join(folder, command)).find((path) => isAccessible(path, constants.X_OK))
}

/** @returns {DebianPackage[]} The packages that this machine lacks. */
export const missingPackages = () =>
  debianPackages.filter(({ name, command, file }) => {
    if (command !== undefined) return findCommand(command) === undefined
    if (file !== undefined) return !isAccessible(file, constants.R_OK)
    return !isInstalled(name)
  })

/**
 * @param {string} path
 * @param {number} mode
 */
const isAccessible = (path, mode) => {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}

/** @param {string} name */
const isInstalled = (name) => {
  const { stdout } = spawnSync('dpkg', ['-s', name], { encoding: 'utf8' })
  return /^Status: \w+ ok installed$/m.test(stdout ?? '')
}
