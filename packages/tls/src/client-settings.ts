import os from 'node:os'
import tls from 'node:tls'
import { checkOptions, NbdUsageError, option, type UriTls } from '@nbdjs/core'
import {
  type Credentials,
  checkCredentials,
  credentialNames,
  credentialRules,
  type Fingerprint,
  fingerprintOfPem,
  minVersionRule,
  nonEmptyString,
  type Pem,
  parseFingerprint,
  readCertificates,
  secureContext,
} from './credentials.js'
import { checkPsk, type Psk, PskFile, pskCiphers } from './psk.js'

/** TLS of a client. Without options the server needs a certificate of an authority that Node trusts. */
export interface NodeTlsOptions extends Credentials {
  /**
   * A directory with `ca-cert.pem`, and optionally `client-cert.pem` with `client-key.pem`, and `ca-crl.pem`. It replaces
   * the options above. [nbd_set_tls_certificates]
   */
  readonly certificates?: string | undefined
  /** A key that the server knows as well, instead of certificates. */
  readonly psk?: Psk | undefined
  /** A file of such keys, as psktool(1) writes it: `username:hexkey` in each line. [nbd_set_tls_psk_file] */
  readonly pskFile?: string | undefined
  /**
   * The user whose key is read from `pskFile`. [nbd_set_tls_username]
   *
   * @default the user of this process
   */
  readonly username?: string | undefined
  /**
   * The name that the server's certificate must have. [nbd_set_tls_hostname]
   *
   * @default the host that is dialled; if there is none (unix, vsock), any name of a trusted authority is accepted
   */
  readonly serverName?: string | undefined
  /**
   * The SHA-256 of the server's certificate, in 64 hexadecimal digits, with or without colons. The certificate must be
   * this one. It may be self-signed, and its name and dates do not count, unless authorities are given as well.
   */
  readonly fingerprint?: string | undefined
  /** The server's certificate itself, in PEM: the same as its `fingerprint`. */
  readonly pinnedCertificate?: Pem | undefined
  /**
   * `false` disables certificate verification: no protection against a man-in-the-middle. [nbd_set_tls_verify_peer]
   *
   * @default true
   */
  readonly verifyPeer?: boolean | undefined
  /**
   * The oldest version of TLS to speak.
   *
   * @default 'TLSv1.2'
   */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
}

const rules = {
  ...credentialRules,
  certificates: nonEmptyString,
  psk: option.any(),
  pskFile: nonEmptyString,
  username: nonEmptyString,
  serverName: nonEmptyString,
  fingerprint: option.string(),
  pinnedCertificate: option.any(),
  verifyPeer: option.boolean(true),
  minVersion: minVersionRule,
}

/** How the client verifies the server. */
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

const CALL = 'nodeTls'

/** Checks the options and reads the files. Throws a NbdUsageError for options that cannot work. */
export function clientSettings(options: NodeTlsOptions): ClientSettings {
  const { serverName, minVersion } = checkOptions(CALL, rules, options)
  const psk = pskOf(options)
  checkCombinations(options)
  if (psk !== undefined) {
    // Empty `ca`: otherwise Node would accept a certificate of its default authorities.
    const context = tls.createSecureContext({ minVersion, ciphers: pskCiphers, ca: [] })
    return { trust: { kind: 'psk', psk }, serverName, context }
  }
  const credentials = credentialsOf(options)
  return {
    trust: trustOf(options, credentials),
    serverName,
    context: secureContext(CALL, credentials, { minVersion }),
  }
}

function pskOf({ psk, pskFile, username }: NodeTlsOptions): Psk | undefined {
  if (psk !== undefined) checkPsk(CALL, 'psk', psk)
  if (psk !== undefined) return { username: psk.username, key: psk.key.slice() }
  if (pskFile === undefined) return undefined
  const user = username ?? os.userInfo().username
  return { username: user, key: new PskFile(CALL, pskFile).keyOf(user) }
}

/** Rejects two options of which one would be ignored in silence. */
function checkCombinations(options: NodeTlsOptions): void {
  const given = (names: readonly (keyof NodeTlsOptions)[]): readonly string[] =>
    names.filter((name) => options[name] !== undefined)
  const memory = given(credentialNames)
  const pins = given(['fingerprint', 'pinnedCertificate'])
  const pairs = [
    [given(['psk']), given(['pskFile'])],
    [given(['psk', 'pskFile']), [...memory, ...given(['certificates']), ...pins]],
    [given(['certificates']), memory],
    [given(['fingerprint']), given(['pinnedCertificate'])],
    [options.verifyPeer === false ? ['verifyPeer: false'] : [], pins],
  ] as const
  for (const [[one], [other]] of pairs) {
    if (one !== undefined && other !== undefined)
      throw new NbdUsageError(`${CALL}: ${one} and ${other} cannot be combined`)
  }
}

function credentialsOf(options: NodeTlsOptions): Credentials {
  const { certificates } = options
  const credentials = certificates === undefined ? options : readCertificates(CALL, certificates, 'client')
  checkCredentials(CALL, credentials)
  return credentials
}

function trustOf(options: NodeTlsOptions, { ca }: Credentials): Trust {
  if (options.verifyPeer === false) return { kind: 'none' }
  const pin = pinOf(options)
  return pin !== undefined && ca === undefined ? { kind: 'pin', pin } : { kind: 'authority', pin }
}

function pinOf({ fingerprint, pinnedCertificate }: NodeTlsOptions): Fingerprint | undefined {
  if (fingerprint !== undefined) return parseFingerprint(CALL, fingerprint)
  return pinnedCertificate === undefined ? undefined : fingerprintOfPem(CALL, pinnedCertificate)
}

/**
 * The parameters of a URI of which `uriTls` would make the same provider. A URI has no place for PEM, keys and
 * fingerprints.
 */
export function uriOf(options: NodeTlsOptions): UriTls {
  const { certificates, pskFile, psk, username, serverName, verifyPeer } = options
  const user = psk?.username ?? username
  const parameters = defined({ user, certificates, pskFile, hostname: serverName })
  return Object.freeze(verifyPeer === false ? { ...parameters, verifyPeer } : parameters)
}

/** The fields that have a value. */
export function defined<Fields extends object>(
  fields: Fields,
): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as ReturnType<typeof defined<Fields>>
}
