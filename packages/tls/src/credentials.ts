/** X.509 credentials and fingerprints, from memory or from a directory that is laid out as libnbd's and nbdkit's are. */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import tls from 'node:tls'
import {
  argumentError,
  type Errno,
  escapeUnprintable,
  NbdUsageError,
  type Option,
  option,
  quote,
} from '@nbdjs/core'

/** PEM: its text, or the bytes of its file. */
export type Pem = string | Uint8Array

/** The X.509 credentials of either side, each in PEM. */
export interface Credentials {
  /**
   * Certificates of the authorities to trust, one or several in one text.
   *
   * @default the authorities that Node trusts
   */
  readonly ca?: Pem | readonly Pem[] | undefined
  /** The own certificate, with its chain. Requires `key`. An RSA key must have at least 2048 bits. */
  readonly cert?: Pem | undefined
  /** The private key of `cert`. */
  readonly key?: Pem | undefined
  /** The passphrase of an encrypted `key`. */
  readonly passphrase?: string | undefined
  /** Revocation lists of the authorities. */
  readonly crl?: Pem | readonly Pem[] | undefined
}

/** The rules of {@link Credentials}; PEM is checked by {@link checkCredentials}. */
export const credentialRules: Readonly<Record<keyof Credentials, Option<unknown>>> = {
  ca: option.any(),
  cert: option.any(),
  key: option.any(),
  passphrase: option.secret(option.string()),
  crl: option.any(),
}

/** The options that are {@link Credentials}. */
export const credentialNames = Object.keys(credentialRules) as readonly (keyof Credentials)[]

/** A rule for a name or a path. */
export const nonEmptyString: Option<string | undefined> = option.instance<string>(
  'a string that is not empty',
  (value) => typeof value === 'string' && value !== '',
)

/** The rule of the option `minVersion` of either side. */
export const minVersionRule: Option<'TLSv1.2' | 'TLSv1.3'> = option.oneOf(['TLSv1.2', 'TLSv1.3'], 'TLSv1.2')

/**
 * OpenSSL's security level 2: keys of at least 112 bits of security (RSA: 2048 bits), no SHA-1 signatures. Node's own
 * default is level 1.
 */
export const securityLevel: string = '@SECLEVEL=2'

/** The shortest RSA key that {@link securityLevel} allows. */
const MIN_RSA_BITS = 2048

/** The files in a directory of credentials: nbd_set_tls_certificates(3), nbdkit-tls(1). */
interface Layout {
  readonly cert: string
  readonly key: string
  /** The file that must exist: a trusted authority, or the own certificate. */
  readonly requires: 'authority' | 'certificate'
}

const layouts: Readonly<Record<'client' | 'server', Layout>> = {
  client: { cert: 'client-cert.pem', key: 'client-key.pem', requires: 'authority' },
  server: { cert: 'server-cert.pem', key: 'server-key.pem', requires: 'certificate' },
}

/**
 * Reads the directory of the option `certificates`.
 *
 * @throws {NbdUsageError} when a required file is missing: to fall back to the authorities of the system would trust
 * others than the user meant.
 */
export function readCertificates(call: string, directory: string, role: 'client' | 'server'): Credentials {
  const { cert, key, requires } = layouts[role]
  const required = (name: string): Uint8Array => readOptionFile(call, 'certificates', join(directory, name))
  const optional = (name: string): Uint8Array | undefined =>
    existsSync(join(directory, name)) ? required(name) : undefined
  const hasOwn = requires === 'certificate' || [cert, key].some((name) => existsSync(join(directory, name)))
  return {
    ca: requires === 'authority' ? required('ca-cert.pem') : optional('ca-cert.pem'),
    crl: optional('ca-crl.pem'),
    ...(hasOwn ? { cert: required(cert), key: required(key) } : {}),
  }
}

/** Reads a file that an option names. Throws a NbdUsageError with the errno of the system when that fails. */
export function readOptionFile(call: string, argument: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    const { code } = Object(cause) as { code?: Errno }
    throw new NbdUsageError(`${call}: ${argument}: cannot read ${quote(path)}: ${code ?? messageOf(cause)}`, {
      errno: code,
      cause,
    })
  }
}

/** Throws a NbdUsageError for credentials that cannot work, before anything is connected. */
export function checkCredentials(call: string, { ca, cert, key, crl }: Credentials): void {
  checkPems(call, 'ca', ca)
  checkPems(call, 'crl', crl)
  if (cert !== undefined) checkPem(call, 'cert', cert)
  if (key !== undefined) checkPem(call, 'key', key)
  if (key !== undefined && cert === undefined)
    throw argumentError(call, 'cert', 'the certificate of key', cert)
  if (cert === undefined) return
  if (key === undefined) throw argumentError(call, 'key', 'the private key of cert', key)
  checkKeyLength(call, cert)
}

function checkPems(call: string, argument: string, value: unknown): void {
  if (value === undefined) return
  const all: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (all.length === 0) throw argumentError(call, argument, 'PEM', value, { receivedText: 'an empty array' })
  for (const pem of all) checkPem(call, argument, pem)
}

// node:tls takes a text without any certificate for none at all, and then trusts no authority.
function checkPem(call: string, argument: string, value: unknown): void {
  if (typeof value !== 'string' && !(value instanceof Uint8Array))
    throw argumentError(call, argument, 'PEM as a string or bytes', value, { secret: true })
  const text = typeof value === 'string' ? value : Buffer.from(value).toString('latin1')
  if (text.includes('-----BEGIN ')) return
  throw argumentError(call, argument, 'PEM', value, {
    receivedText: `${value.length} bytes without "-----BEGIN" (is it the name of a file?)`,
  })
}

/** OpenSSL would send a key that is too short, and the peer would reject it without a clear reason. */
function checkKeyLength(call: string, cert: Pem): void {
  const bits = rsaBits(cert)
  if (bits === undefined || bits >= MIN_RSA_BITS) return
  throw argumentError(call, 'cert', `an RSA key of at least ${MIN_RSA_BITS} bits`, cert, {
    receivedText: `one of ${bits} bits`,
  })
}

/** The length of an RSA key. Undefined for another kind of key, and for what OpenSSL cannot read. */
function rsaBits(cert: Pem): number | undefined {
  try {
    return parseCertificate(cert).publicKey.asymmetricKeyDetails?.modulusLength
  } catch {
    return undefined
  }
}

/** Whether the certificate of a peer has an RSA key that is too short. */
export function hasShortKey({ modulus, bits }: tls.PeerCertificate): boolean {
  return modulus !== undefined && bits !== undefined && bits < MIN_RSA_BITS
}

function parseCertificate(pem: Pem): X509Certificate {
  return new X509Certificate(typeof pem === 'string' ? pem : Buffer.from(pem))
}

/** Makes the context that `node:tls` works with. Throws a NbdUsageError for credentials that OpenSSL rejects. */
export function secureContext(
  call: string,
  credentials: Credentials,
  options: tls.SecureContextOptions,
): tls.SecureContext {
  try {
    return tls.createSecureContext({ ...options, ...nodeCredentials(credentials) })
  } catch (cause) {
    throw new NbdUsageError(`${call}: the credentials cannot be used: ${messageOf(cause)}`, { cause })
  }
}

/** The options of `node:tls` that the credentials and their security level make, without those that are absent. */
export function nodeCredentials({ ca, cert, key, passphrase, crl }: Credentials): tls.SecureContextOptions {
  const given = Object.entries({ ca, cert, key, passphrase, crl }).filter(([, value]) => value !== undefined)
  const ciphers = `${tls.DEFAULT_CIPHERS}:${securityLevel}`
  return { ciphers, ...Object.fromEntries(given.map(([name, value]) => [name, buffered(value)])) }
}

function buffered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(buffered)
  return value instanceof Uint8Array ? Buffer.from(value) : value
}

function messageOf(error: unknown): string {
  return escapeUnprintable(error instanceof Error ? error.message : String(error))
}

/** The SHA-256 of a certificate in DER, 32 bytes. */
export type Fingerprint = Uint8Array

/** Parses 64 hexadecimal digits, with or without colons, as openssl-x509(1) prints them. */
export function parseFingerprint(call: string, text: string): Fingerprint {
  const digits = text.replaceAll(':', '')
  if (/^[0-9a-f]{64}$/i.test(digits)) return Buffer.from(digits, 'hex')
  const expected = 'a SHA-256 in 64 hexadecimal digits, with or without colons'
  throw argumentError(call, 'fingerprint', expected, text)
}

/** The fingerprint of the first certificate in PEM. */
export function fingerprintOfPem(call: string, pem: unknown): Fingerprint {
  checkPem(call, 'pinnedCertificate', pem)
  try {
    return fingerprintOf(parseCertificate(pem as Pem).raw)
  } catch (cause) {
    const receivedText = 'other bytes'
    throw argumentError(call, 'pinnedCertificate', 'a certificate in PEM', pem, { cause, receivedText })
  }
}

export function fingerprintOf(der: Uint8Array): Fingerprint {
  return createHash('sha256').update(der).digest()
}

export function isSameFingerprint(one: Fingerprint, other: Fingerprint): boolean {
  return timingSafeEqual(one, other)
}

/** Formats it as openssl-x509(1) does: `AB:CD:...`. */
export function formatFingerprint(fingerprint: Fingerprint): string {
  return Buffer.from(fingerprint)
    .toString('hex')
    .toUpperCase()
    .replace(/..(?!$)/g, '$&:')
}
