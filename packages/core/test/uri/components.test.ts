import { describe, expect, test } from '@jest/globals'
import { splitUri } from '../../src/uri/components.js'
import { refusal } from './refusal.js'

/** The pieces of a URI, each `text@index`. */
function pieces(uri: string): object {
  const { scheme, ...parts } = splitUri(uri)
  const shown = Object.entries(parts).map(([name, { text, index }]) => [name, `${text}@${index}`])
  return { scheme, ...Object.fromEntries(shown) }
}

test.each([
  [
    'nbd://alice@host:99/a/b?c=d#e',
    { scheme: 'nbd', user: 'alice@6', host: 'host@12', port: '99@17', path: '/a/b@19', query: 'c=d@24' },
  ],
  ['nbd://', { scheme: 'nbd', user: '@6', host: '@6', port: '@6', path: '@6', query: '@6' }],
  ['nbd://h', { scheme: 'nbd', user: '@6', host: 'h@6', port: '@7', path: '@7', query: '@7' }],
  ['nbd://:9', { scheme: 'nbd', user: '@6', host: '@6', port: '9@7', path: '@8', query: '@8' }],
  ['nbd://[::1]', { scheme: 'nbd', user: '@6', host: '[::1]@6', port: '@11', path: '@11', query: '@11' }],
  [
    'NBDS://u@[::1]:9/',
    { scheme: 'nbds', user: 'u@7', host: '[::1]@9', port: '9@15', path: '/@16', query: '@17' },
  ],
  [
    'nbd+unix://?a?b=/#',
    { scheme: 'nbd+unix', user: '@11', host: '@11', port: '@11', path: '@11', query: 'a?b=/@12' },
  ],
  ['nbd://h#/a?b', { scheme: 'nbd', user: '@6', host: 'h@6', port: '@7', path: '@7', query: '@7' }],
  ['nbd://h?#', { scheme: 'nbd', user: '@6', host: 'h@6', port: '@7', path: '@7', query: '@8' }],
])('splits %s', (uri, expected) => {
  expect(pieces(uri)).toEqual(expected)
})

test('takes all that RFC 3986 allows in each piece', () => {
  const everywhere = "AZaz09-._~!$&'()*+,;=%20"
  const uri = `nbd://${everywhere}:@${everywhere}/${everywhere}:@/?${everywhere}:@/?#${everywhere}:@/?`
  expect(splitUri(uri)).toMatchObject({
    user: { text: `${everywhere}:` },
    host: { text: everywhere },
    path: { text: `/${everywhere}:@/` },
    query: { text: `${everywhere}:@/?` },
  })
})

describe('refuses what no piece may have', () => {
  const bad: readonly (readonly [uri: string, where: string, expected: string])[] = [
    ['nbd://h/a b', 'character in the export name at index 9', 'it percent-encoded, %20, received " "'],
    [
      'nbd://h/é',
      'character in the export name at index 8',
      'it percent-encoded, %C3%A9, received "\\u00e9"',
    ],
    ['nbd://h/🦆', 'character in the export name at index 8', '%F0%9F%A6%86, received "\\ud83e\\udd86"'],
    ['nbd://h/[', 'character in the export name at index 8', 'it percent-encoded, %5B, received "["'],
    ['nbd://h/\ud800', 'character in the export name at index 8', 'no half of a surrogate pair'],
    ['nbd://h/\0', 'character in the export name at index 8', 'it percent-encoded, %00, received "\\u0000"'],
    ['nbd://h/a\n', 'character in the export name at index 9', 'it percent-encoded, %0A, received "\\n"'],
    ['nbd://h/%', 'character in the export name at index 8', '% and two hexadecimal digits'],
    ['nbd://h/%4', 'character in the export name at index 8', 'itself), received "%4"'],
    ['nbd://h/%zz!', 'character in the export name at index 8', 'itself), received "%zz"'],
    ['nbd://h/\\', 'character in the export name at index 8', 'it percent-encoded, %5C'],
    ['nbd://h/|', 'character in the export name at index 8', 'it percent-encoded, %7C'],
    ['nbd://h?a=<', 'character in the query at index 10', 'it percent-encoded, %3C'],
    ['nbd://h?a=[]', 'character in the query at index 10', 'it percent-encoded, %5B'],
    ['nbd://h#a#b', 'character in the fragment at index 9', 'it percent-encoded, %23'],
    ['nbd://h#%zz', 'character in the fragment at index 8', '% and two hexadecimal digits'],
    ['nbd://a@b@h', 'character in the user at index 7', 'it percent-encoded, %40'],
    ['nbd://[@h', 'character in the user at index 6', 'it percent-encoded, %5B'],
    ['nbd://h\tx', 'character in the host at index 7', 'it percent-encoded, %09'],
    ['nbd://h]', 'character in the host at index 7', 'it percent-encoded, %5D'],
    ['nbd://[::1', 'host at index 6', 'a ] at the end of the IPv6 address, received "[::1"'],
    ['nbd://[::1]x', 'host at index 6', 'nothing or :PORT behind the ], received "[::1]x"'],
    ['nbd://[fe80::1%eth0]', 'character in the host at index 14', '(%25 for a % itself), received "%et"'],
    ['nbd://[[::1]]', 'character in the host at index 7', 'it percent-encoded, %5B'],
  ]

  test.each(bad)('%j: %s', (uri, where, expected) => {
    const { message, errno } = refusal(() => splitUri(uri))
    expect(message).toContain(`: ${where}: expected `)
    expect(message).toContain(expected)
    expect(errno).toBe('EINVAL')
  })
})

test('takes time in proportion to the length of what it refuses or takes', () => {
  // A million characters end within the test's time limit only if nothing in it is quadratic.
  const many = 'a'.repeat(1_000_000)
  expect(splitUri(`nbd://${many}/${many}?${many}`).host.text).toHaveLength(1_000_000)
  expect(refusal(() => splitUri(`nbd://h/${many} `)).message.length).toBeLessThan(400)
  expect(refusal(() => splitUri(`nbd://a:${many}[@h`)).message.length).toBeLessThan(400)
  expect(refusal(() => splitUri(`${many}://h`)).message.length).toBeLessThan(600)
})
