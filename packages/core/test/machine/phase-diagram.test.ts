import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { drawnIn, drawPhases, withDrawing } from '../../../../scripts/phase-diagram.mjs'
import { edges } from '../../src/machine/phase.js'

const page = new URL('../../../../docs/architecture.md', import.meta.url)

test('docs/architecture.md shows the phases as they are: node scripts/draw-phases.mjs draws them anew', () => {
  expect(drawnIn(readFileSync(page, 'utf8'))).toBe(drawPhases(edges))
})

describe('the drawing', () => {
  const small = { opening: ['transmission', 'dead'], transmission: ['dead'], dead: [] }

  test('begins at the first phase, has every edge, and ends where no edge leads on', () => {
    expect(drawPhases(small)).toBe(
      [
        '```mermaid',
        'stateDiagram-v2',
        '  [*] --> opening',
        '  opening --> transmission',
        '  opening --> dead',
        '  transmission --> dead',
        '  dead --> [*]',
        '```',
      ].join('\n'),
    )
  })

  test('has one line for each edge of the table', () => {
    const lines = drawPhases(edges).split('\n')
    for (const [phase, following] of Object.entries(edges)) {
      for (const next of following) expect(lines).toContain(`  ${phase} --> ${next}`)
    }
    const count = Object.values(edges).flat().length
    expect(lines.filter((line) => !line.includes('[*]') && line.includes('-->'))).toHaveLength(count)
  })
})

describe('a page', () => {
  const text = 'before\n<!-- phases:begin -->\n\nold\n\n<!-- phases:end -->\nafter\n'

  test('gets the drawing between its marks, and only there', () => {
    const drawn = withDrawing(text, 'new')
    expect(drawn).toBe('before\n<!-- phases:begin -->\n\nnew\n\n<!-- phases:end -->\nafter\n')
    expect(drawnIn(drawn)).toBe('new')
    expect(withDrawing(drawn, 'new')).toBe(drawn)
  })

  test('may have nothing between its marks yet', () => {
    const empty = '<!-- phases:begin -->\n<!-- phases:end -->'
    expect(drawnIn(empty)).toBe('')
    expect(drawnIn(withDrawing(empty, 'new'))).toBe('new')
  })

  test('takes a drawing literally', () => {
    expect(drawnIn(withDrawing(text, "$& $' $1"))).toBe("$& $' $1")
  })

  test.each(['', '<!-- phases:begin -->', '<!-- phases:end --><!-- phases:begin -->'])(
    'without its marks is refused: %j',
    (unmarked) => {
      expect(() => drawnIn(unmarked)).toThrow(
        'expected <!-- phases:begin --> and, after it, <!-- phases:end -->',
      )
      expect(() => withDrawing(unmarked, 'new')).toThrow('expected <!-- phases:begin -->')
    },
  )
})
