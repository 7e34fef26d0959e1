import { NbdUsageError } from '@nbdjs/core'

/** Bytes that a path may have, without its final NUL: the size of `sun_path` less one, by `process.platform`. */
const maxPathLengths: Readonly<Record<string, number>> = { linux: 107, android: 107, sunos: 107 }

/** Of the BSDs and macOS. */
const bsdMaxPathLength = 103

/**
 * How many bytes the path of a unix socket may have on a platform. Windows has no limit: there it is the name of
 * a pipe.
 */
export function maxPathLength(platform: NodeJS.Platform = process.platform): number {
  if (platform === 'win32') return Number.POSITIVE_INFINITY
  return maxPathLengths[platform] ?? bsdMaxPathLength
}

/**
 * Throws a NbdUsageError for a path that no unix socket of the platform can have: without this, Node would use
 * what is left of it when it is cut off. `call` begins the message.
 */
export function checkSocketPath(
  call: string,
  path: unknown,
  platform: NodeJS.Platform = process.platform,
): asserts path is string {
  if (typeof path !== 'string' || path === '' || path === '\0') {
    throw new NbdUsageError(`${call}: path is ${JSON.stringify(path)}: expected the path of a socket`)
  }
  const isAbstract = path.startsWith('\0')
  if (isAbstract && platform !== 'linux') {
    const name = JSON.stringify(path)
    throw new NbdUsageError(
      `${call}: path is ${name}: abstract names exist on Linux only, not on ${platform}`,
    )
  }
  const nul = path.indexOf('\0', 1)
  if (nul !== -1) {
    throw new NbdUsageError(`${call}: path is ${JSON.stringify(path)}: it cannot have a NUL, as at ${nul}`)
  }
  // An abstract name has no NUL at its end.
  checkLength(call, path, platform, maxPathLength(platform) + (isAbstract ? 1 : 0))
}

function checkLength(call: string, path: string, platform: NodeJS.Platform, limit: number): void {
  const length = new TextEncoder().encode(path).length
  if (length <= limit) return
  throw new NbdUsageError(
    `${call}: path has ${length} bytes, ${platform} allows ${limit}: ${JSON.stringify(path)}. ` +
      'Use a shorter path, or one relative to the current directory.',
    { errno: 'ENAMETOOLONG' },
  )
}
