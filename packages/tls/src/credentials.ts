/** X.509 credentials, from memory or from a directory that is laid out as libnbd's and nbdkit's are. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import tls from 'node:tls'
import { NbdUsageError } from '@nbdjs/core'
import { misuse, unreadable } from './misuse.js'

/** PEM: its text, or the bytes of its file. */
export type Pem = string | Uint8Array

export interface Credentials {
  /** Certificates of the authorities to trust, one or several in one text. Default: those that Node trusts. */
  readonly ca?: Pem | readonly Pem[] | undefined
  /** The own certificate, with the chain behind it. Goes with `key`. */
  readonly cert?: Pem | undefined
  /** The private key of `cert`. */
  readonly key?: Pem | undefined
  /** Of an encrypted `key`. */
  readonly passphrase?: string | undefined
  /** Revocation lists of the authorities. */
  readonly crl?: Pem | readonly Pem[] | undefined
}

/** The options that are {@link Credentials}. */
export const credentialNames: readonly string[] = ['ca', 'cert', 'key', 'passphrase', 'crl']

/** What is in a directory of credentials: nbd_set_tls_certificates(3), nbdkit-tls(1). */
interface Layout {
  readonly cert: string
  readonly key: string
  /** Whether there must be a certificate, or only a trusted authority. */
  readonly needs: 'authority' | 'certificate'
}

const layouts: Readonly<Record<'client' | 'server', Layout>> = {
  client: { cert: 'client-cert.pem', key: 'client-key.pem', needs: 'authority' },
  server: { cert: 'server-cert.pem', key: 'server-key.pem', needs: 'certificate' },
}

/**
 * Reads a directory of credentials. A file that is needed and missing is a NbdUsageError: falling back to the
 * authorities of the system would trust others than the user meant.
 */
export function readCertificates(where: string, directory: string, role: 'client' | 'server'): Credentials {
  const { cert, key, needs } = layouts[role]
  const required = (name: string): Uint8Array => readCredential(where, join(directory, name))
  const optional = (name: string): Uint8Array | undefined =>
    existsSync(join(directory, name)) ? required(name) : undefined
  const hasOwn = needs === 'certificate' || [cert, key].some((name) => existsSync(join(directory, name)))
  return {
    ca: needs === 'authority' ? required('ca-cert.pem') : optional('ca-cert.pem'),
    crl: optional('ca-crl.pem'),
    ...(hasOwn ? { cert: required(cert), key: required(key) } : {}),
  }
}

function readCredential(where: string, path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    throw unreadable(where, path, error)
  }
}

/** Throws a NbdUsageError for what cannot be credentials, before anything is connected. */
export function checkCredentials(where: string, { ca, cert, key, passphrase, crl }: Credentials): void {
  checkPems(`${where}.ca`, ca)
  checkPems(`${where}.crl`, crl)
  if (cert !== undefined) checkPem(`${where}.cert`, cert)
  if (key !== undefined) checkPem(`${where}.key`, key)
  if (passphrase !== undefined && typeof passphrase !== 'string')
    throw misuse(`${where}.passphrase`, 'a string', passphrase)
  if ((cert === undefined) !== (key === undefined)) {
    const [given, missing] = cert === undefined ? ['key', 'cert'] : ['cert', 'key']
    throw new NbdUsageError(`${where}.${given} goes with ${missing}, which is missing`)
  }
}

function checkPems(where: string, value: unknown): void {
  if (value === undefined) return
  const all: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (all.length === 0) throw new NbdUsageError(`${where}: expected PEM, received an empty array`)
  for (const pem of all) checkPem(where, pem)
}

// node:tls takes a text without any certificate for none at all, and then trusts nobody.
function checkPem(where: string, value: unknown): void {
  if (typeof value !== 'string' && !(value instanceof Uint8Array))
    throw misuse(where, 'PEM as a string or bytes', value)
  const text = typeof value === 'string' ? value : Buffer.from(value).toString('latin1')
  if (!text.includes('-----BEGIN ')) {
    throw new NbdUsageError(
      `${where}: expected PEM, received ${value.length} bytes without "-----BEGIN" (is it the name of a file?)`,
    )
  }
}

/** Makes what `node:tls` works with. Throws a NbdUsageError for what OpenSSL refuses. */
export function secureContext(
  where: string,
  { ca, cert, key, passphrase, crl }: Credentials,
  options: tls.SecureContextOptions,
): tls.SecureContext {
  try {
    return tls.createSecureContext({ ...options, ...forNode({ ca, cert, key, passphrase, crl }) })
  } catch (cause) {
    throw new NbdUsageError(`${where}: the credentials cannot be used: ${messageOf(cause)}`, { cause })
  }
}

/** In the types of `node:tls`, without what is not given. */
export function forNode(credentials: Credentials): tls.SecureContextOptions {
  const given = Object.entries(credentials).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given.map(([name, value]) => [name, buffered(value)]))
}

function buffered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(buffered)
  return value instanceof Uint8Array ? Buffer.from(value) : value
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
