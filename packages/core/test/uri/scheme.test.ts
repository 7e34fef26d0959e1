import { describe, expect, test } from '@jest/globals'
import { isUri, schemeOf, schemes } from '../../src/uri/scheme.js'

test.each(Object.entries(schemes))('%s is the scheme of what it means', (scheme, { transport, tls }) => {
  expect(schemeOf(transport, tls)).toBe(scheme)
})

describe('C19 isUri', () => {
  const prefixes = ['nbd', 'nbds', 'nbd+unix', 'nbds+unix', 'nbd+vsock', 'nbds+vsock', 'nbd+ssh', 'nbds+ssh']

  // libnbd: nbd_is_uri
  test.each(prefixes)('knows %s:// in any case, right or wrong behind it', (scheme) => {
    expect(isUri(`${scheme}://host/x`)).toBe(true)
    expect(isUri(`${scheme}://`)).toBe(true)
    expect(isUri(`${scheme.toUpperCase()}://%zz`)).toBe(true)
    expect(isUri(`${scheme}:/host`)).toBe(false)
  })

  test.each([
    '',
    '/tmp/disk.img',
    'localhost:10809',
    'nbd:unix:/sock',
    'nbd',
    ' nbd://host',
    'xnbd://host',
    'http://nbd://',
    'nbd+tcp://host',
    'nbd+://host',
    'nbd+vsoc\u212a://2',
  ])('takes %j for something else', (text) => {
    expect(isUri(text)).toBe(false)
  })

  test('takes what is no text for something else', () => {
    expect(isUri(undefined as unknown as string)).toBe(false)
    expect(isUri(['nbd://host'] as unknown as string)).toBe(false)
  })
})
