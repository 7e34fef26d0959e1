/**
 * Checks each published package as npm delivers it: packs it and runs publint and attw on the tarball, where
 * `publishConfig` is applied.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pnpm, repository } from './pnpm.mjs'

/** The programs that check a tarball. */
const checkers = [
  { name: 'publint', script: 'node_modules/publint/src/cli.js', options: ['--strict'] },
  // ESM only: resolution from CommonJS is not checked.
  {
    name: 'attw',
    script: 'node_modules/@arethetypeswrong/cli/dist/index.js',
    options: ['--profile', 'esm-only'],
  },
]

/**
 * @param {typeof checkers[number]} check
 * @param {string} tarball
 * @returns {Promise<string | undefined>} What is wrong, or undefined.
 */
const check = async ({ name, script, options }, tarball) => {
  const child = spawn(process.execPath, [script, ...options, tarball], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise((resolve) => child.on('close', resolve))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return code === 0 ? undefined : `${name}: ${tarball}\n${stdout}${stderr}`
}

/** The packages that are published: private ones are not packed. */
const published = readdirSync(join(repository, 'packages'))
  .map((name) => JSON.parse(readFileSync(join(repository, 'packages', name, 'package.json'), 'utf8')))
  .filter((manifest) => manifest.private !== true)
  .map(({ name }) => name)

const folder = mkdtempSync(join(tmpdir(), 'nbdjs-packages-'))
try {
  const failure = pnpm(
    [...published.flatMap((name) => ['--filter', name]), 'pack', '--pack-destination', folder],
    'ignore',
  )
  if (failure !== undefined) throw new Error(`The packages could not be packed: ${failure}`)
  const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  if (tarballs.length !== published.length) {
    throw new Error(`expected ${published.length} tarballs, pnpm packed ${tarballs.length}`)
  }
  for (const tarball of tarballs) {
    const findings = await Promise.all(checkers.map((each) => check(each, join(folder, tarball))))
    const faults = findings.filter((finding) => finding !== undefined)
    console.log(`${tarball}: ${faults.length === 0 ? 'good' : 'faulty'}`)
    if (faults.length === 0) continue
    console.error(faults.join('\n'))
    process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
