import { describe, expect, test } from '@jest/globals'
import { meaningOf, tlsParameterForms } from '../../src/uri/parameters.js'

describe('meaningOf', () => {
  test.each([
    ['socket', 'socket'],
    ['SOCKET', 'socket'],
    ['tls-certificates', 'certificates'],
    ['tls-psk-file', 'pskFile'],
    ['tls-hostname', 'hostname'],
    ['tls-verify-peer', 'verifyPeer'],
    ['TLS-Verify-Peer', 'verifyPeer'],
    ['tls-type', 'type'],
    ['x-socket', undefined],
    ['tls-', undefined],
    ['certificates', undefined],
    ['constructor', undefined],
    ['soc\u212aet', undefined],
    ['', undefined],
  ])('%j: %j', (name, meaning) => {
    expect(meaningOf(name)).toBe(meaning)
  })
})

describe('tls-verify-peer', () => {
  const { read, print } = tlsParameterForms.verifyPeer

  test.each(['1', 'true', 't', 'yes', 'y', 'on', 'TRUE', 'Yes'])('C11 takes %s for true', (word) => {
    expect(read(word)).toBe(true)
  })

  test.each(['0', 'false', 'f', 'no', 'n', 'off', 'OFF', 'False'])('C11 takes %s for false', (word) => {
    expect(read(word)).toBe(false)
  })

  test.each(['', '2', 'ye', 'constructor'])('leaves %j to be refused', (word) => {
    expect(read(word)).toBe(word)
  })

  test('is printed as nbd-uri.md has it', () => {
    expect([print(true), print(false)]).toEqual(['1', '0'])
  })
})

test.each(['certificates', 'pskFile', 'hostname', 'type'] as const)('%s is text', (key) => {
  const { read, print } = tlsParameterForms[key]
  expect([read('On'), print('On')]).toEqual(['On', 'On'])
})
