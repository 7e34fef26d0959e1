import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from '@jest/globals'
import { NbdUsageError, type UriTls } from '@nbdjs/core'
import { type NodeTlsOptions, nodeTls, nodeTlsServer, uriTls } from '@nbdjs/tls'
import { Authority, folderWith } from './credentials.js'
import { exchange } from './exchange.js'
import { tcpPair, upgraded } from './pair.js'

const authority = new Authority()
const its = authority.issue({ names: 'DNS:disk.example' })
const folder = folderWith({ 'ca-cert.pem': authority.ca, 'keys.psk': 'alice:0102\nbob:0304\n' })
const pskFile = join(folder, 'keys.psk')
afterAll(() => {
  authority.remove()
  rmSync(folder, { recursive: true })
})

const byCertificate = nodeTlsServer(its)
const byKey = nodeTlsServer({ psk: [{ username: 'bob', key: Uint8Array.of(3, 4) }] })

describe('the parameters of a URI', () => {
  it.each<[string, UriTls, typeof byKey]>([
    ['a directory', { certificates: folder }, byCertificate],
    [
      'a directory and a name',
      { certificates: folder, hostname: 'disk.example', type: 'x509' },
      byCertificate,
    ],
    ['no verification', { verifyPeer: false }, byCertificate],
    // libnbd: nbd_get_tls_username
    ['a user and a file of keys', { user: 'bob', pskFile }, byKey],
    ['the same and its type', { user: 'bob', pskFile, type: 'psk' }, byKey],
  ])('make a provider: %s', async (_, uri, server) => {
    const pair = await tcpPair()
    await exchange(await upgraded(pair, uriTls()(uri), server))
  })

  it('take precedence over the options', async () => {
    const tls = uriTls({ ca: authority.ca, serverName: 'tape.example' })
    const wrong = await tcpPair()
    await expect(upgraded(wrong, tls({}), byCertificate)).rejects.toThrow('not for "tape.example"')
    const right = await tcpPair()
    await exchange(await upgraded(right, tls({ hostname: 'disk.example' }), byCertificate))
  })

  it.each<[UriTls, string]>([
    [
      { type: 'anon' },
      "uriTls: tls-type: expected 'psk' or 'x509', received \"anon\" (anonymous TLS does not authenticate the server)",
    ],
    [{ type: 'psk' }, 'uriTls: tls-type=psk needs tls-psk-file, or the option psk or pskFile'],
    [
      { type: 'x509', pskFile, user: 'bob' },
      'uriTls: tls-type=x509 and tls-psk-file, psk or pskFile cannot be combined',
    ],
    [{ certificates: '/nowhere' }, 'nodeTls: certificates: cannot read "/nowhere/ca-cert.pem"'],
    [{ pskFile, user: 'carol' }, `nodeTls: pskFile: "${pskFile}" has no key for the user "carol"`],
  ])('that cannot work are rejected: %j', (uri, message) => {
    expect(() => uriTls()(uri)).toThrow(message)
    expect(() => uriTls()(uri)).toThrow(NbdUsageError)
  })
})

describe('the uri of a provider', () => {
  it.each<[string, NodeTlsOptions, UriTls]>([
    ['a directory', { certificates: folder }, { certificates: folder }],
    // libnbd: nbd_get_tls_hostname, nbd_get_tls_verify_peer
    [
      'a name, and no verification',
      { serverName: 'disk.example', verifyPeer: false },
      { hostname: 'disk.example', verifyPeer: false },
    ],
    ['nothing for verification, the default', { verifyPeer: true }, {}],
    ['a user and a file of keys', { pskFile, username: 'bob' }, { pskFile, user: 'bob' }],
    [
      'the user of a key, never the key',
      { psk: { username: 'bob', key: Uint8Array.of(3, 4) } },
      { user: 'bob' },
    ],
    ['nothing that is in memory', { ca: authority.ca, cert: its.cert, key: its.key }, {}],
    ['no pin', { pinnedCertificate: its.cert }, {}],
  ])('contains %s', (_, options, expected) => {
    const { uri } = nodeTls(options)
    expect(uri).toStrictEqual(expected)
    expect(Object.isFrozen(uri)).toBe(true)
  })

  it('combines the URI and the options', () => {
    const provider = uriTls({ pskFile, username: 'alice' })({ user: 'bob' })
    expect(provider.uri).toStrictEqual({ user: 'bob', pskFile })
  })
})
