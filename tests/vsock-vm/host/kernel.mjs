/** The kernel of the virtual machine: Debian's cloud kernel, unpacked from its package without installing it. */
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { run } from '../../../scripts/peers/privilege.mjs'
import { cached, cachedKinds } from './cache.mjs'

const METAPACKAGE = 'linux-image-cloud-amd64'

const KIND = 'kernel'

/** In loading order. */
const modules = [
  'net/vmw_vsock/vsock',
  'net/vmw_vsock/vmw_vsock_virtio_transport_common',
  'net/vmw_vsock/vsock_loopback',
  // For a silent peer: a virtual machine that is registered with the kernel and never boots.
  'drivers/vhost/vhost_iotlb',
  'drivers/vhost/vhost',
  'drivers/vhost/vhost_vsock',
]

export const moduleNames = modules.map((path) => basename(path))

/**
 * @returns {string} A folder with `vmlinuz` and the modules, as `NAME.ko`.
 * @throws {Error} The kernel is neither in the cache nor known to apt.
 */
export const prepareKernel = () => {
  const candidate = newestPackage()
  if (candidate !== undefined) {
    return cached(KIND, candidate.replace('=', '_'), (folder) => unpack(candidate, folder))
  }
  const [kept] = cachedKinds(KIND)
  if (kept !== undefined) return kept
  throw new Error(
    `apt has no package ${METAPACKAGE}. On Debian run "apt-get update"; the vsock tests need Debian.`,
  )
}

/** @returns {string | undefined} `package=version` of the kernel that the metapackage depends on. */
const newestPackage = () => {
  const record = show(METAPACKAGE)
  const name = /^Depends: (?:.*, )?(linux-image-[^ ,]+)/m.exec(record)?.[1]
  const version = name && /^Version: (.+)$/m.exec(show(name))?.[1]
  return version && `${name}=${version}`
}

/** @param {string} name */
const show = (name) => {
  try {
    return run(['apt-cache', 'show', '--no-all-versions', name])
  } catch {
    return ''
  }
}

/**
 * @param {string} candidate
 * @param {string} workFolder
 */
const unpack = (candidate, workFolder) => {
  console.log(`Downloading ${candidate} (once) ...`)
  run(['sh', '-c', 'cd "$0" && apt-get -q download "$1"', workFolder, candidate])
  const archive = readdirSync(workFolder).find((name) => name.endsWith('.deb'))
  if (archive === undefined) throw new Error(`apt-get download ${candidate}: no package was downloaded.`)
  const unpacked = join(workFolder, 'unpacked')
  run(['dpkg-deb', '-x', join(workFolder, archive), unpacked])

  const boot = join(unpacked, 'boot')
  const release = readdirSync(join(unpacked, 'lib/modules'))[0] ?? ''
  const kept = join(workFolder, 'kernel')
  mkdirSync(kept)
  copyFileSync(join(boot, `vmlinuz-${release}`), join(kept, 'vmlinuz'))
  chmodSync(join(kept, 'vmlinuz'), 0o644)
  for (const path of modules) {
    copyFileSync(
      join(unpacked, 'lib/modules', release, 'kernel', `${path}.ko`),
      join(kept, `${basename(path)}.ko`),
    )
  }
  rmSync(unpacked, { recursive: true })
  return kept
}
