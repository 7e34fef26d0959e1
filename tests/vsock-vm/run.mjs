/**
 * `npm run test:vsock`: tests AF_VSOCK in a virtual machine, see README.md.
 *
 * The exit code is 0 only if every test ran and passed. NBD_RESULT_FILE names a file for the counts as JSON.
 */
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { missingPackages } from '../../scripts/peers/debian-packages.mjs'
import { run } from '../../scripts/peers/privilege.mjs'
import { makeAppArchive } from './host/app-archive.mjs'
import { prepareBaseArchive } from './host/base-archive.mjs'
import { cacheFolder, repository } from './host/cache.mjs'
import { prepareKernel } from './host/kernel.mjs'
import { runMachine } from './host/machine.mjs'
import { TapReader } from './host/tap-results.mjs'

const SILENCE_LIMIT_MS = 240_000

/** @returns {Promise<import('./host/tap-results.mjs').Results>} */
const test = async () => {
  requireMachine()
  buildPackages()
  const kernelFolder = prepareKernel()
  const base = prepareBaseArchive(kernelFolder)
  const workFolder = join(cacheFolder, `app.${process.pid}`)
  // Runs in any case, even after a signal.
  process.once('exit', () => rmSync(workFolder, { recursive: true, force: true }))
  const reader = new TapReader()
  const app = await makeAppArchive(workFolder)
  const initrd = join(workFolder, 'initrd')
  // The kernel unpacks archives one after the other.
  run(['sh', '-c', 'cat "$0" "$1" > "$2"', base, app, initrd])
  const ending = await runMachine({
    kernel: join(kernelFolder, 'vmlinuz'),
    initrd,
    silenceLimitMs: SILENCE_LIMIT_MS,
    onLine(line) {
      console.log(line)
      reader.take(line)
    },
  })
  return reader.results(machineFault(ending))
}

const requireMachine = () => {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`The vsock tests need Linux on x64, this is ${process.platform} on ${process.arch}.`)
  }
  const missing = missingPackages().filter(({ suites }) => suites.includes('vsock'))
  if (missing.length === 0) return
  const names = missing.map(({ name }) => name).join(' ')
  throw new Error(
    `The vsock tests need ${names}: sudo apt-get update && sudo apt-get install --no-install-recommends ${names}`,
  )
}

const buildPackages = () => {
  const packages = ['transport-vsock', 'conformance'].map((name) => join('packages', name))
  const tsc = join(repository, 'node_modules/.bin/tsc')
  const { status } = spawnSync(tsc, ['-b', ...packages], { cwd: repository, stdio: 'inherit' })
  if (status !== 0) throw new Error('The build of the packages failed, see above.')
}

/** @param {import('./host/machine.mjs').Ending} ending */
const machineFault = ({ timedOut, exit, errorOutput }) => {
  if (timedOut) return `no output for ${SILENCE_LIMIT_MS / 1000} s`
  if (exit !== 0) return `qemu exited with ${exit}: ${errorOutput.trim()}`
  return undefined
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

const results = await test().catch((error) => {
  const message = error instanceof Error ? error.message : String(error)
  return { passed: 0, failed: 1, skipped: 0, failures: [message] }
})
const file = process.env['NBD_RESULT_FILE']
if (file !== undefined) writeFileSync(file, JSON.stringify(results))
for (const failure of results.failures) console.error(`\nFAILED ${failure}`)
console.log(`\n${results.passed} passed, ${results.failed} failed, ${results.skipped} skipped`)
process.exitCode = results.failed === 0 && results.passed > 0 ? 0 : 1
