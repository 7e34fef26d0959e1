import { describe, expect, it } from '@jest/globals'
import {
  checkCitations,
  citationsIn,
  libnbdTables,
  phaseDiagram,
  requirementTables,
  withPart,
} from '../../scripts/docs.mjs'
import type { Requirement } from '../../spec/requirement.js'

const lines = (text: string): readonly string[] => text.split('\n')

describe('citations', () => {
  it('are comment lines of their own with one or several ids', () => {
    const text = [
      '  // spec: client/a/one, server/b/two',
      "  it('does it', () => {})",
      '  // libnbd: nbd_pread,nbd_pwrite',
      '  //spec: client/a/three',
      "  const text = '// spec: client/a/four'",
      '  // libnbd does this too',
    ].join('\n')
    expect(citationsIn('x.test.ts', text)).toEqual([
      { kind: 'spec', id: 'client/a/one', path: 'x.test.ts' },
      { kind: 'spec', id: 'server/b/two', path: 'x.test.ts' },
      { kind: 'libnbd', id: 'nbd_pread', path: 'x.test.ts' },
      { kind: 'libnbd', id: 'nbd_pwrite', path: 'x.test.ts' },
      { kind: 'spec', id: 'client/a/three', path: 'x.test.ts' },
    ])
  })

  it('must match the list: each entry cited, each citation listed, no entry twice', () => {
    const cite = (id: string) => ({ kind: 'spec' as const, id, path: 'x.test.ts' })
    const foreign = { kind: 'libnbd' as const, id: 'nbd_pread', path: 'y.test.ts' }
    expect(checkCitations('spec', ['a', 'b'], [cite('a'), cite('b'), cite('a'), foreign])).toEqual([])
    expect(checkCitations('spec', ['a', 'b', 'a'], [cite('a'), cite('c')])).toEqual([
      'spec: a is listed twice',
      'spec: no test cites b',
      'spec: x.test.ts cites c, which is not listed or not kept',
    ])
  })
})

describe('a generated part', () => {
  const base = { party: 'client', keyword: 'MUST', status: 'kept' } as const
  const rules: readonly Requirement[] = [
    { ...base, id: 'client/a/one', heading: 'A', rule: 'do one thing' },
    {
      ...base,
      id: 'server/b/two',
      party: 'server',
      heading: 'B',
      keyword: 'MUST NOT',
      rule: 'do a|b',
      alsoUnder: ['C', 'D'],
      unless: '`features.two` is off',
    },
    { ...base, id: 'client/a/three', heading: 'A', rule: 'do a third', status: 'not-yet', reason: 'No.' },
    { ...base, id: 'client/b/four', heading: 'B', rule: 'do it', status: 'not-applicable', reason: 'None.' },
  ]

  it('counts the rules and has a table for each heading, with links to the tests', () => {
    const citations = ['packages/server/test/b.test.ts', 'packages/server/test/b.test.ts', 'docs/a.test.ts']
      .map((path) => ({ kind: 'spec' as const, id: 'server/b/two', path }))
      .concat({ kind: 'spec', id: 'client/a/one', path: 'tests/x/c.test.ts' })
    expect(lines(requirementTables(rules, citations, 'docs'))).toEqual([
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
      '| client | MUST do a third | not yet: No. |  | `client/a/three` |',
      '',
      '### B',
      '',
      '| party | rule | status | tests | id |',
      '| --- | --- | --- | --- | --- |',
      '| server | MUST NOT do a\\|b (also under C; D) | kept, unless `features.two` is off | [a](a.test.ts), [b](../packages/server/test/b.test.ts) | `server/b/two` |',
      '| client | MUST do it | not applicable: None. |  | `client/b/four` |',
    ])
  })

  it('lists the calls of libnbd with their counterpart, or with the reason for none', () => {
    const section = {
      heading: 'Calls',
      lines: [
        { names: ['nbd_a', 'nbd_b'], ours: ['a()', 'b()'], note: 'faster' },
        { names: ['nbd_c'], none: 'Not needed.' },
      ],
    } as const
    expect(lines(libnbdTables([section]))).toEqual([
      '## Calls',
      '',
      '| libnbd | nbdjs | note |',
      '| --- | --- | --- |',
      '| `nbd_a`, `nbd_b` | `a()`, `b()` | faster |',
      '| `nbd_c` | none | Not needed. |',
    ])
  })

  it('draws each edge of the phases, from the first phase to the final ones', () => {
    const edges = { opening: ['transmission', 'dead'], transmission: ['dead'], dead: [] }
    expect(lines(phaseDiagram(edges))).toEqual([
      '```mermaid',
      'stateDiagram-v2',
      '  [*] --> opening',
      '  opening --> transmission',
      '  opening --> dead',
      '  transmission --> dead',
      '  dead --> [*]',
      '```',
    ])
  })

  it('stands between its marks, and the rest of the page is kept', () => {
    const page = 'before\n<!-- x:begin -->\nold\n<!-- x:end -->\nafter'
    expect(withPart(page, 'x', 'new')).toBe('before\n<!-- x:begin -->\n\nnew\n\n<!-- x:end -->\nafter')
    expect(() => withPart('no marks', 'x', 'new')).toThrow(
      'expected <!-- x:begin --> and <!-- x:end --> in the page',
    )
  })
})
