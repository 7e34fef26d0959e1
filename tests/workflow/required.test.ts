import { expect, it } from '@jest/globals'
import { isEverythingRequired } from '../../scripts/required.mjs'

it.each([
  [{ CI: 'true' }, true],
  [{ CI: '1' }, true],
  [{ NBD_REQUIRE: 'all' }, true],
  [{ CI: 'false' }, false],
  [{ CI: '' }, false],
  [{ NBD_REQUIRE: 'some' }, false],
  [{}, false],
])('%j requires every test: %p', (env, isRequired) => {
  expect(isEverythingRequired(env)).toBe(isRequired)
})
