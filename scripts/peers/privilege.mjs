/** Running a command as root, without ever asking for a password. */
import { spawnSync } from 'node:child_process'

/** @returns {boolean} Whether this user is root or may become it without a password. */
export const mayBecomeRoot = () =>
  process.getuid?.() === 0 || spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0

/**
 * Runs a command as root and waits for it.
 *
 * @param {readonly string[]} argv
 * @throws {Error} with the end of what the command printed, if it fails.
 */
export const runAsRoot = (argv) => run(process.getuid?.() === 0 ? argv : ['sudo', '-n', ...argv])

/**
 * Runs a command and waits for it.
 *
 * @param {readonly string[]} argv
 * @returns {string} What it printed on its standard output.
 * @throws {Error} with the end of what the command printed, if it fails.
 */
export const run = (argv) => {
  const [command = '', ...args] = argv
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 2 ** 20,
  })
  if (status === 0) return stdout
  const end = error?.message ?? (signal === null ? `exit code ${status}` : `signal ${signal}`)
  const tail = `${stdout ?? ''}${stderr ?? ''}`.trimEnd().split('\n').slice(-20).join('\n')
  throw new Error(`\`${argv.join(' ')}\` ended with ${end}:\n${tail}`)
}
