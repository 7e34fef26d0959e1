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

describe('what a URI says', () => {
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
  ])('is done: %s', async (_, uri, server) => {
    const pair = await tcpPair()
    await exchange(await upgraded(pair, uriTls()(uri), server))
  })

  it('is done upon the options, which it goes before', async () => {
    const tls = uriTls({ ca: authority.ca, serverName: 'tape.example' })
    const wrong = await tcpPair()
    await expect(upgraded(wrong, tls({}), byCertificate)).rejects.toThrow('and not for tape.example')
    const right = await tcpPair()
    await exchange(await upgraded(right, tls({ hostname: 'disk.example' }), byCertificate))
  })

  it.each<[UriTls, string]>([
    [{ type: 'anon' }, 'tls-type=anon: anonymous TLS is not supported, it proves nothing of the server'],
    [{ type: 'psk' }, 'tls-type=psk: expected tls-psk-file, or the option psk or pskFile'],
    [{ type: 'x509', pskFile, user: 'bob' }, 'tls-type=x509: excludes tls-psk-file, psk and pskFile'],
    [{ certificates: '/nowhere' }, 'nodeTls.certificates: cannot read /nowhere/ca-cert.pem'],
    [{ pskFile, user: 'carol' }, `nodeTls.pskFile: ${pskFile} has no key for the user "carol"`],
  ])('is refused where it cannot be: %j', (uri, message) => {
    expect(() => uriTls()(uri)).toThrow(message)
    expect(() => uriTls()(uri)).toThrow(NbdUsageError)
  })
})

describe('what a provider says of itself for a URI', () => {
  it.each<[string, NodeTlsOptions, UriTls]>([
    ['a directory', { certificates: folder }, { certificates: folder }],
    // libnbd: nbd_get_tls_hostname, nbd_get_tls_verify_peer
    [
      'a name, and no verification',
      { serverName: 'disk.example', verifyPeer: false },
      { hostname: 'disk.example', verifyPeer: false },
    ],
    ['that it is verified, as it is by default', { verifyPeer: true }, {}],
    ['a user and a file of keys', { pskFile, username: 'bob' }, { pskFile, user: 'bob' }],
    [
      'the user of a key, and never the key',
      { psk: { username: 'bob', key: Uint8Array.of(3, 4) } },
      { user: 'bob' },
    ],
    ['none of what is in memory', { ca: authority.ca, cert: its.cert, key: its.key }, {}],
    ['no pin', { pinnedCertificate: its.cert }, {}],
  ])('is %s', (_, options, expected) => {
    const { uri } = nodeTls(options)
    expect(uri).toStrictEqual(expected)
    expect(Object.isFrozen(uri)).toBe(true)
  })

  it('is what the URI and the options said together', () => {
    const provider = uriTls({ pskFile, username: 'alice' })({ user: 'bob' })
    expect(provider.uri).toStrictEqual({ user: 'bob', pskFile })
  })
})
