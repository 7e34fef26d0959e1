/** A page that is written by hand but for what stands between two marks. */

/**
 * What a page shows between its marks.
 *
 * @param {string} page
 * @param {string} name Of the marks: `<!-- NAME:begin -->`.
 * @returns {string}
 */
export function drawnIn(page, name) {
  const { begin, end } = marksOf(page, name)
  return page.slice(begin, end).trim()
}

/**
 * The page with something else between its marks.
 *
 * @param {string} page
 * @param {string} name
 * @param {string} drawing
 * @returns {string}
 */
export function withDrawing(page, name, drawing) {
  const { begin, end } = marksOf(page, name)
  return `${page.slice(0, begin)}\n\n${drawing}\n\n${page.slice(end)}`
}

/**
 * @param {string} page
 * @param {string} name
 */
function marksOf(page, name) {
  const beginMark = `<!-- ${name}:begin -->`
  const endMark = `<!-- ${name}:end -->`
  const begin = page.indexOf(beginMark) + beginMark.length
  const end = page.indexOf(endMark, begin)
  if (!page.includes(beginMark) || end === -1)
    throw new Error(`expected ${beginMark} and, after it, ${endMark} in the page`)
  return { begin, end }
}
