/** Makes archives that the kernel unpacks into its first file system: cpio in the format "newc". */
import { chmodSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { run } from '../../../scripts/peers/privilege.mjs'

/**
 * A file of the archive: a copy of a file or folder (`from`), or a text.
 *
 * @typedef {{ path: string, from: string } | { path: string, text: string, isProgram?: boolean }} Entry
 */

/**
 * @param {readonly Entry[]} entries
 * @param {string} workFolder
 * @returns {string} The path of the archive. It is not compressed, because the emulated processor is slow.
 */
export const makeArchive = (entries, workFolder) => {
  const root = join(workFolder, 'root')
  for (const entry of entries) place(entry, join(root, entry.path))
  const archive = join(workFolder, 'archive.cpio')
  run(['sh', '-c', 'cd "$0" && find . | cpio --quiet -o -H newc -R 0:0 -F "$1"', root, archive])
  rmSync(root, { recursive: true })
  return archive
}

/**
 * @param {Entry} entry
 * @param {string} target
 */
const place = (entry, target) => {
  mkdirSync(dirname(target), { recursive: true })
  if ('from' in entry) {
    cpSync(entry.from, target, { recursive: true, dereference: true })
  } else {
    writeFileSync(target, entry.text)
    chmodSync(target, entry.isProgram ? 0o755 : 0o644)
  }
}
