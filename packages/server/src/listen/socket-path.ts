import { linkSync, lstatSync, renameSync, type Stats, unlinkSync } from 'node:fs'
import { lstat, unlink } from 'node:fs/promises'
import net from 'node:net'
import { basename, dirname, join } from 'node:path'

/**
 * Removes the socket that a dead server left behind. Returns the reason if the path must be left alone: a server answers
 * there, or it is no socket.
 */
export async function removeStaleSocket(path: string): Promise<string | undefined> {
  const before = await lstat(path)
  if (!before.isSocket()) return 'a file exists at this path, and it is no socket'
  const answer = await probe(path)
  if (answer !== 'ECONNREFUSED') return answer
  const after = await lstat(path)
  if (!isSameFile(before, after) || after.ctimeMs !== before.ctimeMs)
    return 'another server has just bound it'
  await unlink(path)
  return undefined
}

/** 'ECONNREFUSED' if no server listens, else what was found. */
function probe(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve('a server answers there')
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(
        error.code === 'ECONNREFUSED' ? error.code : `it is not known whether it is in use: ${error.message}`,
      )
    })
  })
}

/** Identifies the file at a path. Undefined if there is none, or on Windows, where a path names a pipe. */
export function identify(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

/**
 * Runs `close`, which makes libuv remove whatever is at `path`, and keeps what is there unless it is the file `own`:
 * another server may have bound the path since. All of it is synchronous, so in this process nothing can come between.
 */
export function closeKeepingOthers(path: string, own: Stats | undefined, close: () => void): void {
  const current = identify(path)
  if (current === undefined || (own !== undefined && isSameFile(current, own)) || current.isDirectory()) {
    // libuv does not remove a directory.
    close()
    return
  }
  const kept = join(dirname(path), `.${basename(path).slice(0, 64)}.${process.pid}.${Date.now()}`)
  if (link(path, kept)) {
    close()
    // Fails if a third server has bound the path in the meantime: that one wins.
    link(kept, path)
    unlinkSync(kept)
  } else if (rename(path, kept)) {
    close()
    if (identify(path) === undefined) rename(kept, path)
    else unlinkSync(kept)
  } else {
    // Without permission to rename it libuv cannot remove it either.
    close()
  }
}

/** Exact while one of the two is open: until then its inode is not used again. */
function isSameFile(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch {
    return false
  }
}

function rename(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch {
    return false
  }
}
