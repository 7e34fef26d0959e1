import { expect, test } from '@jest/globals'
import { decodePart, requirePart } from '../../src/uri/decode-part.js'
import { UriPart } from '../../src/uri/uri-part.js'
import { valueRules } from '../../src/uri/value-rules.js'
import { refusal } from './refusal.js'

const part = (text: string): UriPart => new UriPart(`nbd://h/${text}`, 'thing', 8, 8 + text.length)

test('decodes', () => {
  expect(decodePart(part('a%20b%2Fc+'), valueRules.exportName)).toBe('a b/c+')
})

test('lets the value be read before it is judged', () => {
  expect(decodePart<number>(part('%38%30'), valueRules.tcpPort, Number)).toBe(80)
})

test('refuses what is not UTF-8', () => {
  expect(refusal(() => decodePart(part('%FF'), valueRules.exportName)).message).toBe(
    'invalid NBD URI "nbd://h/%FF": thing at index 8: expected percent-encoded UTF-8, received "%FF"',
  )
})

test('refuses what the rule refuses', () => {
  const { message, errno } = refusal(() => decodePart(part('a'.repeat(4097)), valueRules.exportName))
  expect(message).toMatch(/: thing at index 8: expected at most 4096 bytes of UTF-8, received 4097$/)
  expect(errno).toBe('ENAMETOOLONG')
})

test('judges a value that was found otherwise', () => {
  expect(requirePart(part('80'), valueRules.tcpPort, 80)).toBe(80)
  expect(refusal(() => requirePart(part('0x50'), valueRules.tcpPort, '0x50')).message).toMatch(
    /: thing at index 8: expected a whole number from 1 to 65535, received "0x50"$/,
  )
})
