/**
 * `npm test`: sets everything up, runs the suites and prints a summary. Arguments select suites:
 * `node scripts/test.mjs unit interop`.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repository } from './pnpm.mjs'
import { preparePeers } from './prepare-peers.mjs'
import { isEverythingRequired } from './required.mjs'
import { reportVariable, suites } from './test-suites.mjs'
import { jestCounts, notRun, ran, summarize } from './test-summary.mjs'

/** @typedef {import('./prepare-peers.mjs').Preparation} Preparation */
/** @typedef {import('./test-suites.mjs').Suite} Suite */
/** @typedef {import('./test-summary.mjs').SuiteResult} SuiteResult */

const suiteLimitMs = 20 * 60_000
const reports = mkdtempSync(join(tmpdir(), 'nbdjs-reports-'))

/**
 * Runs Node in the repository.
 *
 * @param {readonly string[]} args
 * @param {Readonly<Record<string, string>>} [env]
 * @returns {Promise<string | undefined>} How it failed, or undefined.
 */
const node = (args, env = {}) =>
  new Promise((resolve) => {
    // The output of the tests goes to standard error. Only the summary goes to standard output.
    const child = spawn(process.execPath, args, {
      cwd: repository,
      env: { ...process.env, ...env },
      stdio: ['ignore', 2, 2],
      timeout: suiteLimitMs,
      killSignal: 'SIGKILL',
    })
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => {
      if (code === 0) resolve(undefined)
      else if (signal === 'SIGKILL')
        resolve(`killed, possibly by the limit of ${suiteLimitMs / 60_000} minutes`)
      else resolve(signal === null ? `exit code ${code}` : `signal ${signal}`)
    })
  })

/**
 * @param {Suite} suite
 * @param {Preparation} preparation
 * @returns {Promise<SuiteResult>}
 */
const runSuite = async ({ name, about, node: args, env, report, needsPeers }, preparation) => {
  const isUnprepared = preparation.suites.includes(name)
  const { problem = '', remedy } = isUnprepared ? preparation : {}
  if (isUnprepared && needsPeers) return notRun(name, { reason: problem, remedy })
  console.error(`\n--- ${name}: ${about}`)
  const file = join(reports, `${name}.json`)
  const reporting = report === 'jest' ? ['--json', '--outputFile', file] : []
  const failure = await node([...args, ...reporting], { ...env, [reportVariable]: file })
  const contents = readJson(file)
  const counts = report === 'jest' && contents !== undefined ? jestCounts(contents) : contents
  return { ...ran(name, counts, failure), ...(remedy === undefined ? {} : { remedy }) }
}

/** @param {string} path */
const readJson = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** @param {readonly string[]} names */
const chooseSuites = (names) => {
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name))
  if (unknown.length === 0) return suites.filter(({ name }) => names.length === 0 || names.includes(name))
  const known = suites.map(({ name }) => name).join(', ')
  throw new Error(`unknown suite ${unknown.join(', ')}, expected one of ${known}`)
}

/** @param {string} step @param {string | undefined} failure */
const mustSucceed = (step, failure) => {
  if (failure !== undefined) throw new Error(`${step} failed: ${failure}`)
}

const main = async () => {
  const chosen = chooseSuites(process.argv.slice(2))
  mustSucceed('Setting up', await node(['scripts/setup.mjs']))
  mustSucceed('The build', await node(['node_modules/@typescript/native/bin/tsc', '-b']))
  const wantsPeers = chosen.some(({ name }) => name === 'interop' || name === 'vsock')
  const preparation = wantsPeers ? preparePeers() : { suites: [] }
  if (preparation.problem !== undefined)
    console.error(`${preparation.problem}\nRemedy: ${preparation.remedy}`)
  /** @type {SuiteResult[]} */
  const results = []
  for (const suite of chosen) results.push(await runSuite(suite, preparation))
  const { lines, exitCode } = summarize(results, { isEverythingRequired: isEverythingRequired(process.env) })
  console.log(`\n${lines.join('\n')}`)
  return exitCode
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.log('0 passed, 1 failed, 0 skipped')
  process.exitCode = 1
} finally {
  rmSync(reports, { recursive: true, force: true })
}
