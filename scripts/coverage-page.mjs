/** The requirements of the specification as a page shows them. */
import { posix } from 'node:path'
import { table } from './markdown-table.mjs'

/** @typedef {import('../spec/requirement.js').Requirement} Requirement */
/** @typedef {import('../spec/requirement.js').Party} Party */
/** @typedef {import('./citations.mjs').Citation} Citation */

/** The marks between which the requirements stand. */
export const MARK = 'requirements'

/** @type {readonly Party[]} */
const parties = ['client', 'server']
/** @type {readonly Requirement['status'][]} */
const statuses = ['kept', 'not-yet', 'not-applicable']

/**
 * How many there are of each kind, then one table for each heading.
 *
 * @param {readonly Requirement[]} requirements
 * @param {readonly Citation[]} citations
 * @param {string} folder Where the page is, from the root of the repository: links to tests are relative to it.
 * @returns {string}
 */
export function drawRequirements(requirements, citations, folder) {
  const headings = [...new Set(requirements.map(({ heading }) => heading))]
  return [
    drawCounts(requirements),
    ...headings.map((heading) =>
      drawHeading(
        heading,
        requirements.filter((requirement) => requirement.heading === heading),
        (id) => linksTo(id, citations, folder),
      ),
    ),
  ].join('\n\n')
}

/** @param {readonly Requirement[]} requirements */
function drawCounts(requirements) {
  return table(
    ['', ...statuses.map((status) => status.replace('-', ' '))],
    parties.map((party) => [
      party,
      ...statuses.map((status) => {
        const count = requirements.filter((each) => each.party === party && each.status === status).length
        return String(count)
      }),
    ]),
  )
}

/**
 * @param {string} heading
 * @param {readonly Requirement[]} requirements
 * @param {(id: string) => string} links
 */
function drawHeading(heading, requirements, links) {
  const rows = requirements.map((requirement) => [
    requirement.party,
    ruleOf(requirement),
    statusOf(requirement),
    links(requirement.id),
    `\`${requirement.id}\``,
  ])
  return `### ${heading}\n\n${table(['party', 'rule', 'status', 'tests', 'id'], rows)}`
}

/** @param {Requirement} requirement */
function ruleOf({ keyword, rule, alsoUnder = [] }) {
  const also = alsoUnder.length === 0 ? '' : ` (also under ${alsoUnder.join('; ')})`
  return `${keyword} ${rule}${also}`
}

/** @param {Requirement} requirement */
function statusOf(requirement) {
  if (requirement.status === 'kept') {
    return requirement.unless === undefined ? 'kept' : `kept, unless ${requirement.unless}`
  }
  return `${requirement.status.replace('-', ' ')}: ${requirement.reason}`
}

/**
 * @param {string} id
 * @param {readonly Citation[]} citations
 * @param {string} folder
 */
function linksTo(id, citations, folder) {
  const paths = new Set(citations.filter((citation) => citation.id === id).map(({ path }) => path))
  return [...paths]
    .sort()
    .map((path) => `[${posix.basename(path, '.test.ts')}](${posix.relative(folder, path)})`)
    .join(', ')
}
