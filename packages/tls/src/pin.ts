/** A peer that is known by its certificate, whoever signed it. */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto'
import { NbdUsageError } from '@nbdjs/core'
import type { Pem } from './credentials.js'
import { misuse } from './misuse.js'

/** The SHA-256 of a certificate in DER, 32 bytes. */
export type Fingerprint = Uint8Array

/** Of 64 hexadecimal digits, with or without colons, as openssl-x509(1) prints them with `-fingerprint -sha256`. */
export function parseFingerprint(where: string, text: unknown): Fingerprint {
  if (typeof text !== 'string') throw misuse(where, 'a string', text)
  const digits = text.replaceAll(':', '')
  if (!/^[0-9a-f]{64}$/i.test(digits))
    throw new NbdUsageError(
      `${where}: expected a SHA-256 in 64 hexadecimal digits, with or without colons, received ${JSON.stringify(text)}`,
    )
  return Buffer.from(digits, 'hex')
}

/** Of a certificate in PEM: the first one, if there are several. */
export function fingerprintOfPem(where: string, pem: Pem): Fingerprint {
  try {
    return fingerprintOf(new X509Certificate(typeof pem === 'string' ? pem : Buffer.from(pem)).raw)
  } catch (cause) {
    throw new NbdUsageError(`${where}: expected a certificate in PEM`, { cause })
  }
}

export function fingerprintOf(der: Uint8Array): Fingerprint {
  return createHash('sha256').update(der).digest()
}

export function isSameFingerprint(one: Fingerprint, other: Fingerprint): boolean {
  return timingSafeEqual(one, other)
}

/** As openssl-x509(1) prints it: `AB:CD:...`. */
export function formatFingerprint(fingerprint: Fingerprint): string {
  return Buffer.from(fingerprint)
    .toString('hex')
    .toUpperCase()
    .replace(/..(?!$)/g, '$&:')
}
