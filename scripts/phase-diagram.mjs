/** The picture of the machine's phases, and its place in a page. */

const BEGIN = '<!-- phases:begin -->'
const END = '<!-- phases:end -->'

/**
 * The phases as a Mermaid state diagram. The first one is where it begins; it ends where no edge leads on.
 *
 * @param {Readonly<Record<string, readonly string[]>>} edges Which phase may follow which.
 * @returns {string}
 */
export function drawPhases(edges) {
  const lines = Object.entries(edges).flatMap(([phase, following]) =>
    (following.length === 0 ? ['[*]'] : following).map((next) => `  ${phase} --> ${next}`),
  )
  return ['```mermaid', 'stateDiagram-v2', `  [*] --> ${Object.keys(edges)[0]}`, ...lines, '```'].join('\n')
}

/**
 * What a page shows between its marks.
 *
 * @param {string} page
 * @returns {string}
 */
export function drawnIn(page) {
  const { begin, end } = marksOf(page)
  return page.slice(begin, end).trim()
}

/**
 * The page with another drawing between its marks.
 *
 * @param {string} page
 * @param {string} drawing
 * @returns {string}
 */
export function withDrawing(page, drawing) {
  const { begin, end } = marksOf(page)
  return `${page.slice(0, begin)}\n\n${drawing}\n\n${page.slice(end)}`
}

/** @param {string} page */
function marksOf(page) {
  const begin = page.indexOf(BEGIN) + BEGIN.length
  const end = page.indexOf(END, begin)
  if (!page.includes(BEGIN) || end === -1)
    throw new Error(`expected ${BEGIN} and, after it, ${END} in the page`)
  return { begin, end }
}
