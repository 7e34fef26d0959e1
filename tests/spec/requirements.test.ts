import { expect, it } from '@jest/globals'
import { readCitations } from '../../scripts/citations.mjs'
import { requirements } from '../../spec/requirements.js'
import { repository } from '../architecture/source-files.js'

const { citations, strays } = readCitations(repository, 'spec')
const cited = new Set(citations.map(({ id }) => id))
const kept = requirements.filter(({ status }) => status === 'kept')

it('every requirement that is kept is cited by a test: put `// spec: ID` above the one that proves it', () => {
  expect(kept.map(({ id }) => id).filter((id) => !cited.has(id))).toEqual([])
})

it('every citation is of a requirement, spelled as it is in spec/requirements', () => {
  const ids = new Set<string>(requirements.map(({ id }) => id))
  expect(citations.filter(({ id }) => !ids.has(id))).toEqual([])
})

it('what a test proves is said to be kept', () => {
  const others = requirements.filter(({ status }) => status !== 'kept')
  expect(others.map(({ id }) => id).filter((id) => cited.has(id))).toEqual([])
})

it('every citation stands above a test, or above a row of its table', () => {
  expect(strays).toEqual([])
})

it('no two requirements have one id', () => {
  const ids = requirements.map(({ id }) => id)
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
})

it('an id is a party, a topic and a rule, in words that hyphens join', () => {
  const wrong = requirements.filter(({ id }) => !/^(client|server)(\/[a-z0-9]+(-[a-z0-9]+)*){2}$/.test(id))
  expect(wrong).toEqual([])
})

it('a reason is a sentence, and the end of one is none', () => {
  const reasons = requirements.flatMap((each) => (each.status === 'kept' ? [] : [each.reason]))
  expect(reasons.filter((reason) => !/^[A-Z].*\.$/.test(reason))).toEqual([])
  const ends = requirements.flatMap((each) => [
    each.rule,
    ...(each.status === 'kept' ? [each.unless ?? 'x'] : []),
  ])
  expect(ends.filter((end) => !/^[a-z`].*[^.]$|^x$/.test(end))).toEqual([])
})
