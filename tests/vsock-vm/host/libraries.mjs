/** The shared libraries that programs need, in the places where the dynamic loader finds them on this machine. */
import { run } from '../../../scripts/peers/privilege.mjs'

/** @param {readonly string[]} programs Programs or libraries. */
export const libraryEntries = (programs) => {
  const paths = new Set(programs.flatMap(librariesOf))
  return [...paths].map((path) => ({ path, from: path }))
}

/**
 * @param {string} program
 * @returns {string[]} None for a static program, for which ldd fails.
 */
const librariesOf = (program) =>
  [...run(['sh', '-c', 'ldd "$0" || true', program]).matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
