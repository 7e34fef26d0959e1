/** The ignored folder that keeps what is slow to make. Several clones may share one by NBD_CACHE_DIR. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('../../..', import.meta.url))

export const cacheFolder = join(process.env['NBD_CACHE_DIR'] ?? join(repository, '.cache'), 'vsock-vm')

/**
 * A file or folder of the cache, which is made when it is not there: either whole or not at all.
 *
 * @param {string} name Changes with whatever it is made from.
 * @param {(workFolder: string) => string} make Makes it somewhere in a folder of its own and returns its path.
 * @returns {string} Its path.
 */
export const cached = (name, make) => {
  const path = join(cacheFolder, name)
  if (existsSync(path)) return path
  const workFolder = join(cacheFolder, `work.${process.pid}`)
  mkdirSync(workFolder, { recursive: true })
  try {
    renameSync(make(workFolder), path)
  } finally {
    rmSync(workFolder, { recursive: true, force: true })
  }
  return path
}

/**
 * A key that changes when a file does.
 *
 * @param {readonly string[]} paths
 */
export const fingerprint = (paths) => {
  const hash = createHash('sha256')
  for (const path of paths) {
    const { size, mtimeMs } = statSync(path)
    hash.update(`${path}\0${size}\0${mtimeMs}\0`)
  }
  return hash.digest('hex').slice(0, 16)
}
