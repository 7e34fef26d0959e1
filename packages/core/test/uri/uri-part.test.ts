import { expect, test } from '@jest/globals'
import { UriPart } from '../../src/uri/uri-part.js'

const uri = 'nbd://host:99999/disk'
const authority = new UriPart(uri, 'authority', 6, 16)

test('knows its text and its place', () => {
  expect(authority).toMatchObject({ name: 'authority', text: 'host:99999', index: 6 })
})

test('has pieces that know theirs', () => {
  expect(authority.part('host', 0, 4)).toMatchObject({ name: 'host', text: 'host', index: 6 })
  expect(authority.part('port', 5)).toMatchObject({ name: 'port', text: '99999', index: 11 })
  expect(authority.part('nothing', 10)).toMatchObject({ text: '', index: 16 })
})

test('shows the place in an error', () => {
  const error = authority.part('port', 5).refusal({ expected: 'a port' })
  expect(error.message).toBe(
    'invalid NBD URI "nbd://host:99999/disk": port at index 11: expected a port, received "99999"',
  )
})

test('shows of a long URI what is around the place', () => {
  const long = `nbd://host/${'a'.repeat(500)}!${'b'.repeat(500)}`
  const shownAt = (index: number) =>
    /NBD URI "([^"]*)"/.exec(new UriPart(long, 'x', index, index + 1).refusal({ expected: 'y' }).message)?.[1]
  expect(shownAt(511)).toBe(`...${'a'.repeat(80)}!${'b'.repeat(79)}...`)
  expect(shownAt(0)).toBe(`nbd://host/${'a'.repeat(149)}...`)
  expect(shownAt(1011)).toBe(`...${'b'.repeat(160)}`)
})

test('shows no password, and the right place all the same', () => {
  const secret = 'nbd://alice:s3cret@host:x/'
  const error = new UriPart(secret, 'port', 24, 25).refusal({ expected: 'a number' })
  expect(error.message).toBe(
    'invalid NBD URI "nbd://alice:******@host:x/": port at index 24: expected a number, received "x"',
  )
  const user = new UriPart(secret, 'user', 6, 18).refusal({ expected: 'a name' })
  expect(user.message).not.toContain('s3cret')
})

test('takes an @ behind the authority for no end of a password', () => {
  const error = new UriPart('nbd://host:1/a:b@c', 'x', 0, 3).refusal({ expected: 'y' })
  expect(error.message).toContain('"nbd://host:1/a:b@c"')
})
