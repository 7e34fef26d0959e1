/**
 * Writes the generated parts of the documentation, and checks what they are generated from.
 *
 *     node scripts/docs.mjs           writes the pages
 *     node scripts/docs.mjs --check   fails if a page is out of date
 *
 * A generated part stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`:
 *
 * - docs/protocol-coverage.md: the rules of the specification (spec/requirements.ts) and the tests that prove them
 * - docs/coming-from-libnbd.md: the calls of libnbd (spec/libnbd.ts) and their counterparts
 * - docs/architecture.md: the phases of the client protocol (phase.ts)
 *
 * A test cites what it proves in a line of its own: `// spec: ID, ID` or `// libnbd: CALL, CALL`.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { repository } from './pnpm.mjs'

/** @typedef {import('../spec/requirement.js').Requirement} Requirement */
/** @typedef {import('../spec/libnbd/line.js').Section<string>} LibnbdSection */

/**
 * @typedef {object} Citation
 * @property {'spec' | 'libnbd'} kind
 * @property {string} id
 * @property {string} path Of the test, from the root of the repository.
 */

/**
 * The citations in one test file, found line by line.
 *
 * @param {string} path
 * @param {string} text
 * @returns {readonly Citation[]}
 */
export const citationsIn = (path, text) =>
  text.split('\n').flatMap((line) => {
    const [, kind, ids] = /^\s*\/\/ ?(spec|libnbd): ?((?:client|server|nbd_).*)$/.exec(line) ?? []
    if (ids === undefined) return []
    return ids.split(',').map((id) => ({ kind: kind === 'spec' ? 'spec' : 'libnbd', id: id.trim(), path }))
  })

/** @returns {readonly Citation[]} */
const readCitations = () =>
  [...readdirSync(join(repository, 'packages')).map((name) => `packages/${name}/test`), 'tests']
    .filter((folder) => existsSync(join(repository, folder)))
    .flatMap((folder) =>
      readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => posix.join(folder, name.replaceAll('\\', '/'))),
    )
    .sort()
    .flatMap((path) => citationsIn(path, readFileSync(join(repository, path), 'utf8')))

/**
 * Differences between what is listed and what tests cite.
 *
 * @param {'spec' | 'libnbd'} kind
 * @param {readonly string[]} listed What needs a test.
 * @param {readonly Citation[]} citations
 * @returns {readonly string[]} One message each.
 */
export const checkCitations = (kind, listed, citations) => {
  const own = citations.filter((citation) => citation.kind === kind)
  const cited = new Set(own.map(({ id }) => id))
  return [
    ...listed
      .filter((id, index) => listed.indexOf(id) !== index)
      .map((id) => `${kind}: ${id} is listed twice`),
    ...listed.filter((id) => !cited.has(id)).map((id) => `${kind}: no test cites ${id}`),
    ...own
      .filter(({ id }) => !listed.includes(id))
      .map(({ id, path }) => `${kind}: ${path} cites ${id}, which is not listed or not kept`),
  ]
}

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 * @returns {string} A table in Markdown.
 */
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')

/**
 * The rules of the specification: their numbers, then a table for each heading.
 *
 * @param {readonly Requirement[]} requirements
 * @param {readonly Citation[]} citations
 * @param {string} folder The folder of the page. Links to tests are relative to it.
 * @returns {string}
 */
export const requirementTables = (requirements, citations, folder) => {
  const statuses = /** @type {const} */ (['kept', 'not-yet', 'not-applicable'])
  const count = (/** @type {string} */ party, /** @type {string} */ status) =>
    String(requirements.filter((each) => each.party === party && each.status === status).length)
  const totals = table(
    ['', ...statuses.map((status) => status.replace('-', ' '))],
    ['client', 'server'].map((party) => [party, ...statuses.map((status) => count(party, status))]),
  )
  const links = (/** @type {string} */ id) =>
    [...new Set(citations.filter((citation) => citation.id === id).map(({ path }) => path))]
      .sort()
      .map((path) => `[${posix.basename(path, '.test.ts')}](${posix.relative(folder, path)})`)
      .join(', ')
  const headings = [...new Set(requirements.map(({ heading }) => heading))]
  const sections = headings.map((heading) => {
    const rows = requirements
      .filter((requirement) => requirement.heading === heading)
      .map((each) => [each.party, ruleText(each), statusText(each), links(each.id), `\`${each.id}\``])
    return `### ${heading}\n\n${table(['party', 'rule', 'status', 'tests', 'id'], rows)}`
  })
  return [totals, ...sections].join('\n\n')
}

/** @param {Requirement} requirement */
const ruleText = ({ keyword, rule, alsoUnder = [] }) =>
  `${keyword} ${rule}${alsoUnder.length === 0 ? '' : ` (also under ${alsoUnder.join('; ')})`}`

/** @param {Requirement} requirement */
const statusText = (requirement) => {
  if (requirement.status !== 'kept') return `${requirement.status.replace('-', ' ')}: ${requirement.reason}`
  return requirement.unless === undefined ? 'kept' : `kept, unless ${requirement.unless}`
}

/**
 * The calls and constants of libnbd: a table for each section.
 *
 * @param {readonly LibnbdSection[]} sections
 * @returns {string}
 */
export const libnbdTables = (sections) => {
  const code = (/** @type {readonly string[]} */ texts) => texts.map((text) => `\`${text}\``).join(', ')
  return sections
    .map(({ heading, lines }) => {
      const rows = lines.map((line) =>
        'none' in line
          ? [code(line.names), 'none', line.none]
          : [code(line.names), code(line.ours), line.note ?? ''],
      )
      return `## ${heading}\n\n${table(['libnbd', 'nbdjs', 'note'], rows)}`
    })
    .join('\n\n')
}

/**
 * The phases as a Mermaid state diagram. The first phase is the initial one; a phase without successors is final.
 *
 * @param {Readonly<Record<string, readonly string[]>>} edges
 * @returns {string}
 */
export const phaseDiagram = (edges) => {
  const lines = Object.entries(edges).flatMap(([phase, following]) =>
    (following.length === 0 ? ['[*]'] : following).map((next) => `  ${phase} --> ${next}`),
  )
  return ['```mermaid', 'stateDiagram-v2', `  [*] --> ${Object.keys(edges)[0]}`, ...lines, '```'].join('\n')
}

/**
 * Replaces the generated part of a page.
 *
 * @param {string} page
 * @param {string} name Of the part.
 * @param {string} content
 * @returns {string}
 */
export const withPart = (page, name, content) => {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`]
  const from = page.indexOf(begin)
  const to = page.indexOf(end, from)
  if (from === -1 || to === -1) throw new Error(`expected ${begin} and ${end} in the page`)
  return `${page.slice(0, from)}${begin}\n\n${content}\n\n${page.slice(to)}`
}

/**
 * Imports a module written in TypeScript.
 *
 * @param {string} path From the root of the repository.
 * @returns {Promise<any>}
 */
const load = async (path) => {
  const { outputFiles } = await build({
    entryPoints: [join(repository, path)],
    bundle: true,
    format: 'esm',
    write: false,
  })
  const [bundle] = outputFiles
  if (bundle === undefined) throw new Error(`esbuild wrote no output for ${path}`)
  return await import(`data:text/javascript;base64,${Buffer.from(bundle.contents).toString('base64')}`)
}

/** @param {{ isCheck: boolean }} options */
const main = async ({ isCheck }) => {
  /** @type {typeof import('../spec/requirements.js')} */
  const { requirements } = await load('spec/requirements.ts')
  /** @type {typeof import('../spec/libnbd.js')} */
  const { callSections, libnbdSections } = await load('spec/libnbd.ts')
  const { edges } = await load('packages/core/src/protocol/phase.ts')
  const citations = readCitations()

  const kept = requirements.filter(({ status }) => status === 'kept').map(({ id }) => id)
  const calls = callSections.flatMap(({ lines }) =>
    lines.flatMap((line) => ('ours' in line ? line.names : [])),
  )
  const problems = [...checkCitations('spec', kept, citations), ...checkCitations('libnbd', calls, citations)]
  const parts = /** @type {const} */ ([
    ['docs/protocol-coverage.md', 'requirements', requirementTables(requirements, citations, 'docs')],
    ['docs/coming-from-libnbd.md', 'calls', libnbdTables(libnbdSections)],
    ['docs/architecture.md', 'phases', phaseDiagram(edges)],
  ])
  for (const [path, name, content] of parts) {
    const file = join(repository, path)
    const page = readFileSync(file, 'utf8')
    const wanted = withPart(page, name, content)
    if (wanted === page) continue
    if (isCheck) problems.push(`${path} is out of date: run \`node scripts/docs.mjs\``)
    else writeFileSync(file, wanted)
  }
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) process.exitCode = 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main({ isCheck: process.argv.includes('--check') })
}
