import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { readCitations } from '../../scripts/citations.mjs'
import { drawRequirements, MARK } from '../../scripts/coverage-page.mjs'
import { drawnIn } from '../../scripts/marked-page.mjs'
import type { Requirement } from '../../spec/requirement.js'
import { requirements } from '../../spec/requirements.js'
import { repository } from '../architecture/source-files.js'

it('docs/protocol-coverage.md shows them as they are: node scripts/draw-coverage.mjs draws them anew', () => {
  const { citations } = readCitations(repository, 'spec')
  const page = readFileSync(join(repository, 'docs/protocol-coverage.md'), 'utf8')
  // Line by line: a difference is easier to read.
  const shown = drawnIn(page, MARK).split('\n')
  expect(shown).toEqual(drawRequirements(requirements, citations, 'docs').split('\n'))
})

const rules: readonly Requirement[] = [
  {
    ...{ id: 'client/a/one', party: 'client', heading: 'A', keyword: 'MUST', rule: 'do one thing' },
    status: 'kept',
  },
  {
    ...{ id: 'server/b/two', party: 'server', heading: 'B', keyword: 'MUST NOT', rule: 'do a|b' },
    ...{ alsoUnder: ['C', 'D'], status: 'kept', unless: '`features.two` is off' },
  },
  {
    ...{ id: 'client/a/three', party: 'client', heading: 'A', keyword: 'MUST', rule: 'do a third' },
    ...{ status: 'not-yet', reason: 'It is not built.' },
  },
  {
    ...{ id: 'client/b/four', party: 'client', heading: 'B', keyword: 'MUST', rule: 'do a fourth' },
    ...{ status: 'not-applicable', reason: 'There is none.' },
  },
]

it('counts them, and has a table for each heading', () => {
  const citations = [
    { id: 'server/b/two', path: 'packages/server/test/b.test.ts' },
    { id: 'server/b/two', path: 'packages/server/test/b.test.ts' },
    { id: 'server/b/two', path: 'docs/a.test.ts' },
    { id: 'client/a/one', path: 'tests/x/c.test.ts' },
  ]
  expect(drawRequirements(rules, citations, 'docs').split('\n')).toEqual([
    '|  | kept | not yet | not applicable |',
    '| --- | --- | --- | --- |',
    '| client | 1 | 1 | 1 |',
    '| server | 1 | 0 | 0 |',
    '',
    '### A',
    '',
    '| party | rule | status | tests | id |',
    '| --- | --- | --- | --- | --- |',
    '| client | MUST do one thing | kept | [c](../tests/x/c.test.ts) | `client/a/one` |',
    '| client | MUST do a third | not yet: It is not built. |  | `client/a/three` |',
    '',
    '### B',
    '',
    '| party | rule | status | tests | id |',
    '| --- | --- | --- | --- | --- |',
    '| server | MUST NOT do a\\|b (also under C; D) | kept, unless `features.two` is off | [a](a.test.ts), [b](../packages/server/test/b.test.ts) | `server/b/two` |',
    '| client | MUST do a fourth | not applicable: There is none. |  | `client/b/four` |',
  ])
})
