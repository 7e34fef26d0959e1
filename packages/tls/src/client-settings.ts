import { isIP } from 'node:net'
import os from 'node:os'
import tls from 'node:tls'
import { NbdUsageError } from '@nbdjs/core'
import {
  type Credentials,
  checkCredentials,
  credentialNames,
  type Pem,
  readCertificates,
  secureContext,
} from './credentials.js'
import { checkBoolean, checkNames, checkString } from './misuse.js'
import { type Fingerprint, fingerprintOfPem, parseFingerprint } from './pin.js'
import { checkPsk, type Psk, PskFile, pskCiphers } from './psk.js'

/** TLS for a client. With no option at all, the server needs a certificate of an authority that Node trusts. */
export interface NodeTlsOptions extends Credentials {
  /**
   * A directory with `ca-cert.pem`, and perhaps `client-cert.pem` with `client-key.pem`, and `ca-crl.pem`; instead of
   * the options above. [nbd_set_tls_certificates]
   */
  readonly certificates?: string | undefined
  /** A key that the server knows as well, instead of certificates. */
  readonly psk?: Psk | undefined
  /** The file of such keys that psktool(1) writes, `username:hexkey` in each line. [nbd_set_tls_psk_file] */
  readonly pskFile?: string | undefined
  /** Whose key to take from `pskFile`. Default: the user that runs the program. [nbd_set_tls_username] */
  readonly username?: string | undefined
  /**
   * The name that the server's certificate must have. Default: the host that was dialled. Where there is neither
   * (unix, vsock), any name will do, of whomever the trusted authorities vouch for. [nbd_set_tls_hostname]
   */
  readonly serverName?: string | undefined
  /**
   * The SHA-256 of the server's certificate. It must be this one; then it may be self-signed, and its name and dates
   * do not count, unless authorities are given as well.
   */
  readonly fingerprint?: string | undefined
  /** The server's certificate itself, in PEM: the same as its `fingerprint`. */
  readonly pinnedCertificate?: Pem | undefined
  /** Default true. False takes any server for the right one: it is then encrypted, and safe from no one who is in between. [nbd_set_tls_verify_peer] */
  readonly verifyPeer?: boolean | undefined
  /** The oldest version of TLS to speak. Default: `TLSv1.2`. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
}

const names = [
  ...credentialNames,
  'certificates',
  'psk',
  'pskFile',
  'username',
  'serverName',
  'fingerprint',
  'pinnedCertificate',
  'verifyPeer',
  'minVersion',
]

/** How the server is known to be the right one. */
export type Trust =
  | { readonly kind: 'psk'; readonly psk: Psk }
  | { readonly kind: 'authority'; readonly pin: Fingerprint | undefined }
  | { readonly kind: 'pin'; readonly pin: Fingerprint }
  | { readonly kind: 'none' }

export interface ClientSettings {
  readonly trust: Trust
  readonly serverName: string | undefined
  readonly context: tls.SecureContext
}

/** Checks the options, reads the files, and throws a NbdUsageError for what cannot be. */
export function clientSettings(options: NodeTlsOptions): ClientSettings {
  const where = 'nodeTls'
  checkNames(where, options, names)
  for (const name of ['certificates', 'pskFile', 'username', 'serverName'] as const)
    checkString(`${where}.${name}`, options[name])
  checkBoolean(`${where}.verifyPeer`, options.verifyPeer)
  const minVersion = checkMinVersion(where, options.minVersion)
  const psk = pskOf(where, options)
  checkExclusive(where, options)
  if (psk !== undefined) {
    // Nobody is trusted for a certificate: left to itself, Node would take one of the authorities that it knows.
    const context = tls.createSecureContext({ minVersion, ciphers: pskCiphers, ca: [] })
    return { trust: { kind: 'psk', psk }, serverName: options.serverName, context }
  }
  const credentials = credentialsOf(where, options)
  return {
    trust: trustOf(where, options, credentials),
    serverName: options.serverName,
    context: secureContext(where, credentials, { minVersion }),
  }
}

export function checkMinVersion(where: string, minVersion: unknown): 'TLSv1.2' | 'TLSv1.3' {
  if (minVersion === undefined || minVersion === 'TLSv1.2') return 'TLSv1.2'
  if (minVersion === 'TLSv1.3') return minVersion
  throw new NbdUsageError(`${where}.minVersion: expected TLSv1.2 or TLSv1.3, received ${String(minVersion)}`)
}

/** The name to send in the handshake: RFC 6066 knows no addresses ("Server Name Indication"). */
export function indicated(name: string | undefined): string | undefined {
  return name === undefined || isIP(name) !== 0 ? undefined : name
}

function pskOf(where: string, { psk, pskFile, username }: NodeTlsOptions): Psk | undefined {
  if (psk !== undefined) checkPsk(`${where}.psk`, psk)
  if (psk !== undefined) return { username: psk.username, key: psk.key.slice() }
  if (pskFile === undefined) return undefined
  const user = username ?? os.userInfo().username
  return { username: user, key: new PskFile(`${where}.pskFile`, pskFile).keyOf(user) }
}

/** Of two that say the same, or contradict each other, none may win in silence. */
function checkExclusive(where: string, options: NodeTlsOptions): void {
  const given = (group: readonly string[]): string[] =>
    group.filter((name) => options[name as keyof NodeTlsOptions] !== undefined)
  const memory = given(credentialNames)
  const groups = [
    [given(['psk']), given(['pskFile'])],
    [given(['psk', 'pskFile']), [...memory, ...given(['certificates', 'fingerprint', 'pinnedCertificate'])]],
    [given(['certificates']), memory],
    [given(['fingerprint']), given(['pinnedCertificate'])],
    [options.verifyPeer === false ? ['verifyPeer: false'] : [], given(['fingerprint', 'pinnedCertificate'])],
  ] as const
  for (const [[one], [other]] of groups) {
    if (one !== undefined && other !== undefined)
      throw new NbdUsageError(`${where}: ${one} and ${other} exclude each other`)
  }
}

function credentialsOf(where: string, options: NodeTlsOptions): Credentials {
  const { certificates, ca, cert, key, passphrase, crl } = options
  const credentials =
    certificates === undefined
      ? { ca, cert, key, passphrase, crl }
      : readCertificates(`${where}.certificates`, certificates, 'client')
  checkCredentials(where, credentials)
  return credentials
}

function trustOf(where: string, options: NodeTlsOptions, { ca }: Credentials): Trust {
  const { fingerprint, pinnedCertificate, verifyPeer = true } = options
  if (!verifyPeer) return { kind: 'none' }
  const pin =
    fingerprint !== undefined
      ? parseFingerprint(`${where}.fingerprint`, fingerprint)
      : pinnedCertificate !== undefined
        ? fingerprintOfPem(`${where}.pinnedCertificate`, pinnedCertificate)
        : undefined
  return pin !== undefined && ca === undefined ? { kind: 'pin', pin } : { kind: 'authority', pin }
}
