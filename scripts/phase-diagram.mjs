/** The picture of the machine's phases, and its place in a page. */

import * as markedPage from './marked-page.mjs'

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
 * What a page shows of the phases.
 *
 * @param {string} page
 * @returns {string}
 */
export function drawnIn(page) {
  return markedPage.drawnIn(page, 'phases')
}

/**
 * The page with another drawing of the phases.
 *
 * @param {string} page
 * @param {string} drawing
 * @returns {string}
 */
export function withDrawing(page, drawing) {
  return markedPage.withDrawing(page, 'phases', drawing)
}
