/** The cache folder. Several clones can share one by NBD_CACHE_DIR. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('../../..', import.meta.url))

export const cacheFolder = join(process.env['NBD_CACHE_DIR'] ?? join(repository, '.cache'), 'vsock-vm')

/**
 * Returns a file or folder of the cache and makes it if it is missing, atomically. Older ones of the same kind are
 * removed.
 *
 * @param {string} kind
 * @param {string} key Changes if the sources change.
 * @param {(workFolder: string) => string} make Makes the file or folder inside `workFolder` and returns its path.
 * @returns {string} The path in the cache.
 */
export const cached = (kind, key, make) => {
  const path = join(cacheFolder, `${kind}-${key}`)
  if (existsSync(path)) return path
  const workFolder = join(cacheFolder, `work.${process.pid}`)
  mkdirSync(workFolder, { recursive: true })
  try {
    const made = make(workFolder)
    for (const outdated of cachedKinds(kind)) rmSync(outdated, { recursive: true })
    renameSync(made, path)
  } catch (error) {
    // Another clone may have made it meanwhile.
    if (!existsSync(path)) throw error
  } finally {
    rmSync(workFolder, { recursive: true, force: true })
  }
  return path
}

/**
 * All files or folders of a kind in the cache, with any key.
 *
 * @param {string} kind
 */
export const cachedKinds = (kind) =>
  existsSync(cacheFolder)
    ? readdirSync(cacheFolder)
        .filter((name) => name.startsWith(`${kind}-`))
        .map((name) => join(cacheFolder, name))
    : []

/**
 * A key that changes if the path or the content of a file changes.
 *
 * @param {readonly string[]} paths
 */
export const fingerprint = (paths) => {
  const hash = createHash('sha256')
  for (const path of paths) hash.update(`${path}\0`).update(readFileSync(path))
  return hash.digest('hex').slice(0, 16)
}
