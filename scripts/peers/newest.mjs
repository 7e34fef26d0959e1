/**
 * The newest servers and clients: Debian's `trixie`, unpacked into a folder of its own beside the machine's.
 *
 * They are only unpacked, neither configured nor installed. A program runs with the dynamic loader of the folder
 * (tests/interop/peers/installation.ts). This needs no root, and the program sees the machine's sockets and files.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from '../pnpm.mjs'
import { findCommand } from './debian-packages.mjs'
import { debianMirror } from './install-packages.mjs'
import { run, runAsRoot } from './privilege.mjs'

const release = 'trixie'
const packages = ['nbdkit', 'libnbd-bin', 'qemu-utils']
const programs = [
  'usr/bin/nbdkit',
  'usr/bin/nbdinfo',
  'usr/bin/nbdcopy',
  'usr/bin/qemu-nbd',
  'usr/bin/qemu-img',
]

/** Where the folder is or will be. NBD_CACHE_DIR lets several clones share it. */
export const newestFolder = join(process.env['NBD_CACHE_DIR'] ?? join(repository, '.cache'), release)

/** @returns {boolean} Whether the folder is there, whole. */
export const hasNewest = () => programs.every((program) => existsSync(join(newestFolder, program)))

/**
 * Makes the folder.
 *
 * @throws {Error} if the packages cannot be downloaded. An existing folder is always complete.
 */
export const makeNewest = () => {
  const workFolder = `${newestFolder}.${process.pid}`
  const downloads = join(workFolder, 'download')
  const root = join(workFolder, 'root')
  mkdirSync(root, { recursive: true })
  try {
    download(downloads)
    const archives = join(downloads, 'var/cache/apt/archives')
    for (const name of readdirSync(archives).filter((file) => file.endsWith('.deb'))) {
      run(['dpkg-deb', '-x', join(archives, name), root])
    }
    rmSync(newestFolder, { recursive: true, force: true })
    renameSync(root, newestFolder)
  } finally {
    runAsRoot(['rm', '-rf', '--one-file-system', workFolder])
  }
}

/** @param {string} folder */
const download = (folder) => {
  const mirror = process.env['NBD_DEBIAN_MIRROR'] ?? debianMirror()
  const proxies = run([
    'apt-config',
    'shell',
    'http_proxy',
    'Acquire::http::Proxy',
    'https_proxy',
    'Acquire::https::Proxy',
  ])
  runAsRoot([
    'env',
    ...proxies.split('\n').flatMap((line) => /^(\w+)='(.+)'$/.exec(line)?.slice(1, 3).join('=') ?? []),
    findCommand('debootstrap') ?? 'debootstrap',
    '--variant=minbase',
    '--download-only',
    `--include=${packages.join(',')}`,
    '--keyring=/usr/share/keyrings/debian-archive-keyring.gpg',
    release,
    folder,
    ...(mirror === undefined ? [] : [mirror]),
  ])
}
