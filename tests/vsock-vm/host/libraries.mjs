/** The shared libraries of programs, under the paths where the dynamic loader of this machine finds them. */
import { run } from '../../../scripts/peers/privilege.mjs'

/** @param {readonly string[]} programs Programs or libraries. */
export const libraryEntries = (programs) => {
  const paths = new Set(programs.flatMap(librariesOf))
  return [...paths].map((path) => ({ path, from: path }))
}

/**
 * @param {string} program
 * @returns {string[]} Empty for a static program, for which ldd fails.
 */
const librariesOf = (program) =>
  [...run(['sh', '-c', 'ldd "$0" || true', program]).matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
