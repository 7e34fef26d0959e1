import { expect, it } from '@jest/globals'
import { typeMistakes } from './type-mistakes.js'

const preamble = `import { Handle } from '@nbdjs/core'
declare const handle: Handle`

it('reports each mistake with the piece of code that has it', () => {
  const right = ['handle.info.size', "new Handle({ exportName: 'disk' })", 'await handle.pread(512, 0n)']
  const wrong = [
    { piece: 'handle.bogus', message: "Property 'bogus' does not exist on type 'Handle'." },
    { piece: 'handle.pread(512)', message: 'Expected 2-3 arguments, but got 1.' },
    {
      piece: "new Handle({ export: '' })",
      message: expect.stringContaining("'export' does not exist in type"),
    },
  ]
  const [first, ...others] = wrong.map(({ piece }) => piece)
  expect(typeMistakes(preamble, [String(first), ...right, ...others])).toEqual(wrong)
})

it('throws for a mistake in the preamble', () => {
  expect(() => typeMistakes("import { Bogus } from '@nbdjs/core'", [])).toThrow(/^the preamble: .*'Bogus'/)
})
