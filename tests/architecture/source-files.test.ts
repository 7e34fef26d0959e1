import { expect, it } from '@jest/globals'
import { circlesIn, filesIn, parseSource } from './source-files.js'

it('finds each kind of import', () => {
  const text = `
    import './effect.js'
    import fs from 'node:fs'
    import type { A } from '../other/a.js'
    export * from './all.js'
    export type { B } from 'types'
    type C = import('typed').C
    const d = await import('called')
    const e = require('required')
  `
  expect(parseSource('packages/core/src/x.ts', text).imports).toEqual([
    'packages/core/src/effect.ts',
    'node:fs',
    'packages/core/other/a.ts',
    'packages/core/src/all.ts',
    'types',
    'typed',
    'called',
    'required',
  ])
})

it('resolves a relative import in declarations and in JavaScript', () => {
  const text = `import { a } from './a.js'`
  expect(parseSource('dist/x.d.ts', text).imports).toEqual(['dist/a.d.ts'])
  expect(parseSource('dist/x.js', text).imports).toEqual(['dist/a.js'])
})

it('finds names, async and await, but not in comments and strings', () => {
  const { names } = parseSource('x.ts', `async () => { await f(Buffer) } // process\nconst text = 'Date'`)
  expect([...names].sort()).toEqual(['Buffer', 'async', 'await', 'f', 'text'])
})

it('rejects a folder without such a file', () => {
  expect(() => filesIn('packages/core/src/wire', '.js')).toThrow('There is no .js in packages/core/src/wire')
})

it('finds each circle of imports, imports of types included', () => {
  const files = [
    parseSource('a.ts', `import { b } from './b.js'`),
    parseSource('b.ts', `import type { C } from './c.js'`),
    parseSource('c.ts', `import './b.js'\nimport './d.js'`),
    parseSource('d.ts', ''),
  ]
  expect(circlesIn(files)).toEqual(['b.ts -> c.ts -> b.ts'])
  expect(circlesIn(files.slice(2))).toEqual([])
})
