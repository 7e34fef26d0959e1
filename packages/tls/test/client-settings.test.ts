import { rmSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { type NodeTlsOptions, nodeTls, nodeTlsServer } from '@nbdjs/tls'
import { Authority, folderWith, sha256 } from './credentials.js'
import { exchange } from './exchange.js'
import { tcpPair, upgraded } from './pair.js'

const authority = new Authority()
const { ca } = authority
const mine = authority.issue({ commonName: 'me' })
const its = authority.issue({ names: 'DNS:disk.example' })
const folders: string[] = []
const folder = (files: Readonly<Record<string, string>>): string => {
  const path = folderWith(files)
  folders.push(path)
  return path
}
afterAll(() => {
  authority.remove()
  for (const path of folders) rmSync(path, { recursive: true })
})

const psk = { username: 'alice', key: new Uint8Array([1, 2, 3, 4]) }
const key = '01020304'

/** The message of the error for these options. */
const refusal = (options: unknown): string => {
  try {
    nodeTls(options as NodeTlsOptions)
  } catch (error) {
    expect(error).toBeInstanceOf(NbdUsageError)
    return (error as Error).message
  }
  throw new Error('the options were accepted')
}

describe('options that cannot work', () => {
  it.each<[unknown, string]>([
    [null, 'nodeTls: options: expected an object, received null'],
    [{ verifypeer: false }, "nodeTls: unknown option 'verifypeer', expected one of ca, cert, "],
    [{ verifyPeer: 0 }, 'nodeTls: verifyPeer: expected a boolean, received 0'],
    [{ serverName: '' }, 'nodeTls: serverName: expected a string that is not empty, received ""'],
    [
      { minVersion: 'TLSv1' },
      "nodeTls: minVersion: expected one of 'TLSv1.2', 'TLSv1.3', received \"TLSv1\"",
    ],
    [{ ca: '/etc/ca.pem' }, 'nodeTls: ca: expected PEM, received 11 bytes without "-----BEGIN"'],
    [{ ca: [] }, 'nodeTls: ca: expected PEM, received an empty array'],
    [{ ca: 7 }, 'nodeTls: ca: expected PEM as a string or bytes, received a number'],
    [{ cert: mine.cert }, 'nodeTls: key: expected the private key of cert, received undefined'],
    [{ key: mine.key }, 'nodeTls: cert: expected the certificate of key, received undefined'],
    [{ cert: mine.cert, key: its.key }, 'nodeTls: the credentials cannot be used: '],
    [
      { cert: mine.cert, key: mine.key, passphrase: 7 },
      'nodeTls: passphrase: expected a string, received a number',
    ],
    [{ psk: 'alice:01020304' }, 'nodeTls: psk: expected { username, key }, received a string'],
    [{ psk: { username: '', key: psk.key } }, 'nodeTls: psk.username: expected a string that is not empty'],
    [
      { psk: { username: 'alice', key } },
      'nodeTls: psk.key: expected a Uint8Array of at least 1 byte, received a string',
    ],
    [
      { psk: { username: 'alice', key: new Uint8Array(0) } },
      'nodeTls: psk.key: expected a Uint8Array of at least 1 byte',
    ],
    [{ psk, pskFile: 'keys.psk' }, 'nodeTls: psk and pskFile cannot be combined'],
    [{ psk, ca }, 'nodeTls: psk and ca cannot be combined'],
    [{ certificates: '/etc/pki', ca }, 'nodeTls: certificates and ca cannot be combined'],
    [{ fingerprint: 'AB' }, 'nodeTls: fingerprint: expected a SHA-256 in 64 hexadecimal digits'],
    [{ fingerprint: 7 }, 'nodeTls: fingerprint: expected a string, received 7'],
    [
      { pinnedCertificate: 'none' },
      'nodeTls: pinnedCertificate: expected PEM, received 4 bytes without "-----BEGIN"',
    ],
    [
      { fingerprint: sha256(ca), pinnedCertificate: ca },
      'nodeTls: fingerprint and pinnedCertificate cannot be combined',
    ],
    [
      { fingerprint: sha256(ca), verifyPeer: false },
      'nodeTls: verifyPeer: false and fingerprint cannot be combined',
    ],
  ])('%#: %p', (options, message) => {
    expect(refusal(options)).toContain(message)
  })
})

describe('a directory of certificates', () => {
  const clients = { 'client-cert.pem': mine.cert, 'client-key.pem': mine.key }
  const server = nodeTlsServer({ ...its, ca, verifyPeer: true })

  // libnbd: nbd_set_tls_certificates
  it('contains the authority, and the own certificate', async () => {
    const certificates = folder({ 'ca-cert.pem': ca, ...clients })
    await exchange(await upgraded(await tcpPair(), nodeTls({ certificates }), server))
  })

  it('contains a revocation list', async () => {
    const crl = authority.revoke(authority.issue())
    const certificates = folder({ 'ca-cert.pem': ca, 'ca-crl.pem': crl, ...clients })
    await exchange(await upgraded(await tcpPair(), nodeTls({ certificates }), server))
  })

  it.each([
    ['no authority', clients, 'ca-cert.pem'],
    ['a certificate without its key', { 'ca-cert.pem': ca, 'client-cert.pem': mine.cert }, 'client-key.pem'],
    ['a key without its certificate', { 'ca-cert.pem': ca, 'client-key.pem': mine.key }, 'client-cert.pem'],
  ])('with %s is an error', (_, files, missing) => {
    const certificates = folder(files)
    expect(refusal({ certificates })).toContain(
      `nodeTls: certificates: cannot read "${join(certificates, missing)}": ENOENT`,
    )
  })

  it('that does not exist is an error: the authorities of the system are not used instead', () => {
    expect(() => nodeTls({ certificates: '/nowhere' })).toThrow(expect.objectContaining({ errno: 'ENOENT' }))
  })

  it('of a server contains its certificate', async () => {
    const certificates = folder({ 'server-cert.pem': its.cert, 'server-key.pem': its.key })
    await exchange(await upgraded(await tcpPair(), nodeTls({ ca }), nodeTlsServer({ certificates })))
    expect(() => nodeTlsServer({ certificates: folder({ 'ca-cert.pem': ca }) })).toThrow('server-cert.pem')
  })
})

describe('a file of pre-shared keys', () => {
  const server = nodeTlsServer({ psk: [psk] })

  it.each([
    // libnbd: nbd_set_tls_psk_file, nbd_set_tls_username
    ['between other lines', `bob:ffff\nalice:${key}\nalice:ffff\n`],
    ['with CR LF line ends', `alice:${key}\r\n`],
    ['in capital letters, without a final newline', `bob:ff\n\nalice:${key.toUpperCase()}`],
  ])('contains the key of the user %s', async (_, content) => {
    const options = { pskFile: join(folder({ 'keys.psk': content }), 'keys.psk'), username: 'alice' }
    await exchange(await upgraded(await tcpPair(), nodeTls(options), server))
  })

  it('contains the key of the user of this process', async () => {
    const { username } = os.userInfo()
    const pskFile = join(folder({ 'keys.psk': `${username}:${key}\n` }), 'keys.psk')
    const knowing = nodeTlsServer({ psk: [{ ...psk, username }] })
    await exchange(await upgraded(await tcpPair(), nodeTls({ pskFile }), knowing))
  })

  it('serves all users in it', async () => {
    const pskFile = join(folder({ 'keys.psk': `bob:ffff\nalice:${key}\n` }), 'keys.psk')
    await exchange(await upgraded(await tcpPair(), nodeTls({ psk }), nodeTlsServer({ pskFile })))
  })

  it('errors name the line, and show no key', () => {
    const pskFile = join(folder({ 'keys.psk': `bob:ffff\nalice:secret!\n` }), 'keys.psk')
    expect(refusal({ pskFile, username: 'carol' })).toBe(
      `nodeTls: pskFile: "${pskFile}" has no key for the user "carol"`,
    )
    expect(refusal({ pskFile, username: 'alice' })).toBe(
      `nodeTls: pskFile: "${pskFile}", line 2: expected username:key with the key in hexadecimal digits`,
    )
    expect(refusal({ pskFile: '/nowhere/keys.psk' })).toContain(
      'nodeTls: pskFile: cannot read "/nowhere/keys.psk": ENOENT',
    )
  })
})

it('accepts an encrypted key', async () => {
  const encrypted = authority.encrypted(mine, 'open sesame')
  const server = nodeTlsServer({ ...its, ca, verifyPeer: true })
  const client = nodeTls({ ca, cert: Buffer.from(mine.cert), key: encrypted, passphrase: 'open sesame' })
  const pair = await tcpPair()
  await exchange(await upgraded(pair, client, server))
  const wrong = refusal({ ca, cert: mine.cert, key: encrypted, passphrase: 'open barley' })
  expect(wrong).toContain('nodeTls: the credentials cannot be used: ')
  expect(wrong).not.toContain('barley')
})

describe('a server', () => {
  it.each<[unknown, string]>([
    [{}, 'nodeTlsServer: expected either a certificate (cert and key, or certificates), or psk or pskFile'],
    [{ ...its, psk: [psk] }, 'nodeTlsServer: expected either a certificate'],
    [{ psk }, 'nodeTlsServer: psk: expected an array of { username, key }, received Object'],
    [{ psk: [psk], pskFile: 'keys.psk' }, 'nodeTlsServer: psk and pskFile cannot be combined'],
    [{ ...its, certificates: '/etc/pki' }, 'nodeTlsServer: certificates and cert cannot be combined'],
    [{ psk: [{ username: 'a', key: '' }] }, 'nodeTlsServer: psk[0].key: expected a Uint8Array'],
    [{ pskFile: 7 }, 'nodeTlsServer: pskFile: expected a string that is not empty, received 7'],
    [
      { ...its, verifyPeer: true },
      'nodeTlsServer: ca: expected the authorities of the clients, because verifyPeer is true, received undefined',
    ],
    [{ ...its, port: 1 }, "nodeTlsServer: unknown option 'port', expected one of ca"],
  ])('rejects options that cannot work, %#', (options, message) => {
    expect(() => nodeTlsServer(options as Parameters<typeof nodeTlsServer>[0])).toThrow(message)
  })
})
