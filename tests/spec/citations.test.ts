import { describe, expect, it } from '@jest/globals'
import { citationsIn } from '../../scripts/citations.mjs'

const path = 'packages/x/test/y.test.ts'
const read = (...lines: readonly string[]) => citationsIn(path, lines.join('\n'), 'spec')
const idsIn = (...lines: readonly string[]): readonly string[] => {
  const { citations, strays } = read(...lines)
  expect(strays).toEqual([])
  expect(citations.map((citation) => citation.path)).toEqual(citations.map(() => path))
  return citations.map(({ id }) => id)
}
const straysIn = (...lines: readonly string[]): readonly string[] => {
  const { citations, strays } = read(...lines)
  expect(citations).toEqual([])
  return strays
}
const strayAt = (line: number): string =>
  `${path}:${line}: stands above no test, and above no row of a test's table`

describe('a citation', () => {
  it.each(['test', 'it'])('stands above a call of %s', (name) => {
    expect(idsIn(`import {} from ''`, '// spec: client/a/b', `${name}('does it', () => {})`)).toEqual([
      'client/a/b',
    ])
  })

  it('stands above a test within groups and loops', () => {
    expect(
      idsIn(
        `for (const kind of kinds) describeWith('a', {}, () => {`,
        `  describe.each([1])('b', () => {`,
        '    // spec: client/a/b',
        `    it('c', async () => {})`,
        '  })',
        '})',
      ),
    ).toEqual(['client/a/b'])
  })

  it('may name several, and be one of several lines', () => {
    expect(
      idsIn(
        '// spec: client/a/b, client/a/c',
        '// Why it is so.',
        '// spec: server/a/b',
        `test.each([1])('%d', () => {})`,
      ),
    ).toEqual(['client/a/b', 'client/a/c', 'server/a/b'])
  })

  it('stands above a row that a test is given', () => {
    expect(
      idsIn(
        'test.each([',
        '  // spec: client/a/b',
        `  ['first', 1],`,
        '  // spec: client/a/c',
        `  ...(['second', 2] as const),`,
        `])('%s', () => {})`,
      ),
    ).toEqual(['client/a/b', 'client/a/c'])
  })

  it.each([
    ['', 'rows'],
    ['', 'rows.filter(({ isLate }) => isLate)'],
    ['', 'Object.entries(rows)'],
    [' as const', 'rows'],
    [' satisfies Row[]', 'rows'],
  ])('stands above a row of a table that a test is given: %s, %s', (after, argument) => {
    expect(
      idsIn(
        'const rows = [',
        '  // spec: client/a/b',
        `  { title: 'a' },`,
        `]${after}`,
        `test.each(${argument})('$title', () => {})`,
      ),
    ).toEqual(['client/a/b'])
  })

  it('stands above a row that has a name', () => {
    expect(
      idsIn(
        'const rows: Record<string, object> = {',
        '  // spec: client/a/b',
        `  flush: { type: 3 },`,
        '}',
        `test.each(Object.entries(rows))('%s', () => {})`,
      ),
    ).toEqual(['client/a/b'])
  })
})

describe('what is no citation', () => {
  it.each([
    ['the end of the file', ['// spec: client/a/b']],
    ['a function', ['// spec: client/a/b', 'function f() {}']],
    ['a group', ['// spec: client/a/b', `describe('a', () => {})`]],
    ['a test that is skipped', ['// spec: client/a/b', `test.skip('a', () => {})`]],
    ['a table of tests that are skipped', ['// spec: client/a/b', `it.skip.each([1])('a', () => {})`]],
    ['a test that is only planned', ['// spec: client/a/b', `it.todo('a')`]],
    ['a test that is to fail', ['// spec: client/a/b', `it.failing('a', () => {})`]],
    ['what is called like one', ['// spec: client/a/b', `xit('a', () => {})`]],
    ['a regular expression', ['// spec: client/a/b', `it.test('a')`]],
    [
      'a row that no test is given',
      ['const rows = [', '// spec: client/a/b', '1]', `it.each(others)('', () => {})`],
    ],
  ])('stands above %s', (_, lines) => {
    expect(straysIn(...lines)).toEqual([strayAt(lines.findIndex((line) => line.startsWith('//')) + 1)])
  })

  it('stands in a test', () => {
    expect(straysIn(`it('a', () => {`, '  // spec: client/a/b', '  expect(1).toBe(1)', '})')).toEqual([
      strayAt(2),
    ])
    expect(straysIn(`it('a', () => {`, '  const all = [', '    // spec: client/a/b', '    1]', '})')).toEqual(
      [strayAt(3)],
    )
  })

  it('stands in a group that is skipped', () => {
    expect(
      straysIn(`describe.skip('a', () => {`, '  // spec: client/a/b', `  it('b', () => {})`, '})'),
    ).toEqual([strayAt(2)])
  })

  it('stands above a row of a table that only a skipped test is given', () => {
    expect(
      straysIn('const rows = [', '// spec: client/a/b', '1]', `test.skip.each(rows)('b', () => {})`),
    ).toEqual([strayAt(2)])
  })

  it('stands in a file that is no test', () => {
    const text = ['// spec: client/a/b', `it('a', () => {})`].join('\n')
    expect(citationsIn('packages/x/test/table.ts', text, 'spec')).toEqual({
      citations: [],
      strays: [`packages/x/test/table.ts:1: stands above no test, and above no row of a test's table`],
    })
  })

  it.each([
    '//spec: a/b/c',
    '// spec a/b/c',
    '// Spec: a/b/c',
    '// spec: a/b/c d/e/f',
    '// spec: a/b/c,d',
    '// spec:',
  ])('is misspelled: %s', (comment) => {
    expect(straysIn(comment, `it('a', () => {})`)).toEqual([
      `${path}:1: expected \`// spec: ID, ID\`, found \`${comment}\``,
    ])
  })

  it('is a comment of another kind, or a text', () => {
    expect(idsIn('// specification: see above', `it('// spec: client/a/b', () => {})`)).toEqual([])
  })
})

describe('a citation of a call of libnbd', () => {
  const readLibnbd = (...lines: readonly string[]) => citationsIn(path, lines.join('\n'), 'libnbd')

  it('is told apart from one of the specification, and from prose', () => {
    const lines = [
      '// spec: client/a/b',
      '// libnbd: nbd_pread, nbd_aio_pread',
      "// libnbd's own is never short, and libnbd nbd_pread neither.",
      `it('a', () => {})`,
    ]
    expect(readLibnbd(...lines)).toEqual({
      citations: [
        { id: 'nbd_pread', path },
        { id: 'nbd_aio_pread', path },
      ],
      strays: [],
    })
    expect(idsIn(...lines)).toEqual(['client/a/b'])
  })

  it.each(['//libnbd: nbd_a', '// libnbd nbd_a', '// libnbd : nbd_a', '// libnbd: nbd_a nbd_b'])(
    'may be misspelled: %s',
    (comment) => {
      expect(readLibnbd(comment, `it('a', () => {})`)).toEqual({
        citations: [],
        strays: [`${path}:1: expected \`// libnbd: CALL, CALL\`, found \`${comment}\``],
      })
    },
  )
})
