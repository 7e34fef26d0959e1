/** The ignored folder that keeps what is slow to make. Several clones may share one by NBD_CACHE_DIR. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('../../..', import.meta.url))

export const cacheFolder = join(process.env['NBD_CACHE_DIR'] ?? join(repository, '.cache'), 'vsock-vm')

/**
 * A file or folder of the cache, which is made when it is not there: either whole or not at all. What it takes the
 * place of is removed.
 *
 * @param {string} kind
 * @param {string} key Changes with whatever it is made from.
 * @param {(workFolder: string) => string} make Makes it somewhere in a folder of its own and returns its path.
 * @returns {string} Its path.
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
    // Another clone may have been faster.
    if (!existsSync(path)) throw error
  } finally {
    rmSync(workFolder, { recursive: true, force: true })
  }
  return path
}

/**
 * What the cache has of a kind, whatever it was made from.
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
 * A key that changes when what is in a file does, or its place.
 *
 * @param {readonly string[]} paths
 */
export const fingerprint = (paths) => {
  const hash = createHash('sha256')
  for (const path of paths) hash.update(`${path}\0`).update(readFileSync(path))
  return hash.digest('hex').slice(0, 16)
}
