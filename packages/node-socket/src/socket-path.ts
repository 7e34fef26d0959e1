import { argumentError, quote } from '@nbdjs/core'

/** The longest path in bytes, without its final NUL: the size of `sun_path` less one, by `process.platform`. */
const maxPathLengths: Readonly<Record<string, number>> = { linux: 107, android: 107, sunos: 107 }

/** The longest path on the BSDs and macOS. */
const bsdMaxPathLength = 103

/**
 * Returns the longest path of a unix socket on a platform, in bytes. Windows has no limit: there it is the name of a pipe.
 *
 * @param platform The default is this platform.
 */
export function maxPathLength(platform: NodeJS.Platform = process.platform): number {
  if (platform === 'win32') return Number.POSITIVE_INFINITY
  return maxPathLengths[platform] ?? bsdMaxPathLength
}

/**
 * Throws a NbdUsageError for a path that no unix socket of the platform can have: without this check, Node would use a
 * part of a path that is too long.
 *
 * @param call The name of the function that was called: it begins the message.
 * @param path The path.
 * @param platform The default is this platform.
 * @throws {NbdUsageError} EINVAL, or ENAMETOOLONG.
 */
export function checkSocketPath(
  call: string,
  path: unknown,
  platform: NodeJS.Platform = process.platform,
): asserts path is string {
  if (typeof path !== 'string' || path === '' || path === '\0')
    throw argumentError(call, 'path', 'the path of a socket', path)
  const isAbstract = path.startsWith('\0')
  if (isAbstract && platform !== 'linux')
    throw argumentError(call, 'path', `a path without NUL (${platform} has no abstract sockets)`, path)
  if (path.includes('\0', 1)) throw argumentError(call, 'path', 'a path without NUL', path)
  // An abstract name has no NUL at its end.
  checkLength(call, path, maxPathLength(platform) + (isAbstract ? 1 : 0))
}

function checkLength(call: string, path: string, limit: number): void {
  const { length } = new TextEncoder().encode(path)
  if (length <= limit) return
  throw argumentError(call, 'path', `at most ${limit} bytes`, path, {
    receivedText: `${length} bytes: ${quote(path)}`,
    errno: 'ENAMETOOLONG',
    hint: 'use a shorter path, or one relative to the current directory',
  })
}
