/** What comes of libnbd's calls and constants, as a page shows it. */
import { table } from './markdown-table.mjs'

/** @typedef {import('../spec/libnbd/line.js').Section<string>} Section */
/** @typedef {import('../spec/libnbd/line.js').Line<string>} Line */

/** The marks between which it stands. */
export const MARK = 'calls'

/**
 * One table for each section.
 *
 * @param {readonly Section[]} sections
 * @returns {string}
 */
export function drawSections(sections) {
  return sections
    .map(({ heading, lines }) => `## ${heading}\n\n${table(['libnbd', 'nbdjs', 'note'], lines.map(row))}`)
    .join('\n\n')
}

/** @param {Line} line */
function row(line) {
  if ('none' in line) return [code(line.names), 'none', line.none]
  return [code(line.names), code(line.ours), line.note ?? '']
}

/** @param {readonly string[]} texts */
function code(texts) {
  return texts.map((text) => `\`${text}\``).join(', ')
}
