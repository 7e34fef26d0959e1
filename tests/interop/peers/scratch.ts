/** Folders for sockets, images and configurations, removed after each test. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scratchPrefix } from './test-run.mjs'

/** sockaddr_un has room for 107 bytes and a final zero (unix(7)); a socket's name takes some twenty. */
const longestFolder = 80

const made: string[] = []

/** Makes an empty folder, short enough for a socket in it. */
export const scratchFolder = (): string => {
  const path = join(tmpdir(), scratchPrefix())
  const folder = mkdtempSync(path.length + 6 <= longestFolder ? path : join('/tmp', scratchPrefix()))
  made.push(folder)
  return folder
}

/** Removes every folder that this test made. */
export const removeScratchFolders = (): void => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true })
}
