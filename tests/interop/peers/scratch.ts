import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scratchPrefix } from './test-run.mjs'

/** The longest path of a folder for a socket: sockaddr_un holds 107 bytes (unix(7)), and the name of a socket takes about 20. */
const longestFolder = 80

const made: string[] = []

/** Makes an empty folder with a path short enough for sockets. It is removed after the test. */
export const scratchFolder = (): string => {
  const path = join(tmpdir(), scratchPrefix())
  const folder = mkdtempSync(path.length + 6 <= longestFolder ? path : join('/tmp', scratchPrefix()))
  made.push(folder)
  return folder
}

/** Removes the folders of this test. */
export const removeScratchFolders = (): void => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true })
}
