/** The errors of TLS, with what to check. */
import { type Errno, escapeUnprintable, type NbdErrorDetails, NbdTransportError, quote } from '@nbdjs/core'

/** The role of the peer and how it is authenticated, for messages. */
export interface PeerView {
  readonly peer: 'server' | 'client'
  readonly by: 'certificate' | 'psk'
}

/** Why TLS failed: the text of a message, and the hint behind it. */
interface Reason {
  readonly says: string
  readonly errno?: Errno
  readonly hint?: string | undefined
}

const untrusted = (peer: string): Reason => ({
  says: `the ${peer}'s certificate is not signed by a trusted authority`,
  errno: 'EACCES',
  hint: 'the options ca and certificates set the trusted authorities',
})

const selfSigned = (peer: string): Reason => ({
  says: `the ${peer}'s certificate is self-signed, or signed by an untrusted authority`,
  errno: 'EACCES',
  hint: 'the options ca and certificates set the trusted authorities, fingerprint trusts one certificate',
})

const certificate =
  (what: string, hint?: string) =>
  (peer: string): Reason => ({ says: `the ${peer}'s certificate ${what}`, errno: 'EACCES', hint })

/** By the codes of X509_verify_cert_error_string(3), as Node names them. */
const verification: Readonly<Record<string, (peer: string) => Reason>> = {
  CERT_HAS_EXPIRED: certificate('has expired'),
  CERT_NOT_YET_VALID: certificate('is not valid yet', 'is the clock right?'),
  CERT_REVOKED: certificate('was revoked'),
  CERT_REJECTED: certificate('is not trusted for this purpose'),
  INVALID_PURPOSE: certificate('is not valid for this purpose'),
  CRL_HAS_EXPIRED: () => ({
    says: 'the revocation list has expired',
    errno: 'EACCES',
    hint: 'the options crl and certificates set it',
  }),
  UNABLE_TO_GET_CRL: certificate('is of an authority whose revocation list is missing', 'set the option crl'),
  DEPTH_ZERO_SELF_SIGNED_CERT: selfSigned,
  SELF_SIGNED_CERT_IN_CHAIN: selfSigned,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  EE_KEY_TOO_SMALL: keyTooShort,
  CA_KEY_TOO_SMALL: certificate('is signed by an authority whose key is too short (RSA: at least 2048 bits)'),
  CA_MD_TOO_WEAK: certificate('has a signature by a weak hash, such as SHA-1'),
  UNSPECIFIED: certificate(
    'was rejected by OpenSSL',
    'is an RSA key shorter than 2048 bits, or a signature hash weak?',
  ),
  CERT_SIGNATURE_FAILURE: certificate('has a signature that does not match the trusted authority'),
}

/** By the codes of OpenSSL's own errors. */
const openssl: Readonly<Record<string, string>> = {
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'supports no version of TLS that is allowed here (TLS 1.2 or 1.3)',
  ERR_SSL_UNEXPECTED_MESSAGE: 'sent an unexpected TLS message',
  ERR_SSL_WRONG_VERSION_NUMBER: 'answered with bytes that are not TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'answered with bytes that are not TLS',
  ERR_SSL_BAD_PSK: 'chose no pre-shared key that was offered',
  ERR_SSL_NO_SHARED_CIPHER: 'supports no cipher suite that is allowed here',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'sent no certificate, but one is required',
  ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 'sent a message that was tampered with, or has another key',
  ERR_SSL_BINDER_DOES_NOT_VERIFY: 'has a pre-shared key that is not the one of its username',
  ERR_SSL_PSK_IDENTITY_NOT_FOUND: 'sent a username that is not known here',
  ERR_SSL_DH_KEY_TOO_SMALL: 'has a Diffie-Hellman key that is too short (at least 2048 bits)',
  ERR_SSL_EE_KEY_TOO_SMALL: 'has a certificate whose key is too short (RSA: at least 2048 bits)',
}

/** Hints by the alerts of RFC 8446, "Error Alerts". */
const alertHints: Readonly<Record<PeerView['by'], readonly (readonly [RegExp, string])[]>> = {
  certificate: [
    [/unknown ca$/, 'it does not trust the authority of our certificate'],
    [
      /certificate required$|handshake failure$/,
      'does it require a client certificate? (options cert and key, certificates)',
    ],
    [
      /(bad|expired|revoked|unsupported) certificate|certificate (expired|revoked|unknown)/,
      'it does not accept our certificate',
    ],
    [/protocol version$/, 'it supports no version of TLS that is allowed here (TLS 1.2 or 1.3)'],
  ],
  psk: [
    [
      /unknown psk identity$|unknown_psk|decrypt error$|bad record mac$|decryption failed|illegal parameter$/,
      'the username or the pre-shared key was rejected: is the username known there, and the key the same?',
    ],
    [
      /handshake failure$|insufficient security$|missing extension$|certificate required$/,
      'does it accept pre-shared keys? The username or the key may also be wrong',
    ],
    [/protocol version$/, 'it supports no version of TLS that is allowed here (TLS 1.2 or 1.3)'],
  ],
}

/** Converts an error of `node:tls`, or of the connection below it, to a NbdTransportError whose operation is `tls`. */
export function tlsError(address: string, cause: unknown, view: PeerView): NbdTransportError {
  if (cause instanceof NbdTransportError && cause.operation === 'tls') return cause
  return failure(address, reasonOf(cause, view), { cause })
}

/** The error of a verification that this package makes itself. */
export function verificationError(address: string, says: string, hint?: string): NbdTransportError {
  return failure(address, { says, errno: 'EACCES', hint })
}

/** A reset before the server sent anything under TLS, with its likely cause. */
export function resetAfterHandshake(error: NbdTransportError): NbdTransportError {
  const { message, operation, address, errno, cause } = error
  const hint = 'does it require a client certificate, or another one? (options cert and key, certificates)'
  const details = { operation, address, errno, cause, hint }
  return new NbdTransportError(`${message} right after the TLS handshake`, details)
}

function failure(
  address: string,
  { says, errno = 'EPROTO', hint }: Reason,
  details: NbdErrorDetails = {},
): NbdTransportError {
  const message = `TLS with ${address} failed: ${says}`
  return new NbdTransportError(message, { ...details, operation: 'tls', address, errno, hint })
}

/** The parts of an error of Node's that are looked at. */
interface Failure {
  /** The code, or an empty string. */
  readonly code: string
  readonly message: string
  /** OpenSSL's own words. */
  readonly reason: string
}

type Matcher = (failure: Failure, view: PeerView) => Reason | undefined

/** The first one that returns a reason decides. */
const matchers: readonly Matcher[] = [failedVerification, alert, opensslError, hangUp]

function reasonOf(cause: unknown, view: PeerView): Reason {
  const { message = String(cause), reason } = Object(cause) as Record<string, unknown>
  // The errno of an error of ours is the code of the native one.
  const code = cause instanceof NbdTransportError ? cause.errno : (Object(cause) as Failure).code
  const failed: Failure = {
    code: typeof code === 'string' ? code : '',
    message: String(message),
    reason: String(reason ?? message),
  }
  for (const matcher of matchers) {
    const found = matcher(failed, view)
    if (found !== undefined) return found
  }
  const isSystemError = /^E(?!RR_)/.test(failed.code)
  return {
    says: escapeUnprintable(failed.message),
    ...(isSystemError ? { errno: failed.code } : {}),
  }
}

/** The codes for messages of X509_verify_cert_error_string(3) whose code Node does not know. */
const unnamedCodes: Readonly<Record<string, string>> = {
  'EE certificate key too weak': 'EE_KEY_TOO_SMALL',
  'CA certificate key too weak': 'CA_KEY_TOO_SMALL',
  'CA signature digest algorithm too weak': 'CA_MD_TOO_WEAK',
}

function failedVerification({ code, message }: Failure, { peer, by }: PeerView): Reason | undefined {
  const name = code === 'UNSPECIFIED' ? (unnamedCodes[message] ?? code) : code
  const verified = verification[name]
  if (verified === undefined) return undefined
  // With a pre-shared key no certificate is expected: the peer does not know the key.
  return by === 'psk' ? withoutKey(peer) : verified(peer)
}

function alert({ code, reason }: Failure, { peer, by }: PeerView): Reason | undefined {
  const name = alertName(code, reason)
  if (name === undefined) return undefined
  const hint = alertHints[by].find(([pattern]) => pattern.test(name))?.[1]
  return { says: `the ${peer} sent the alert ${quote(name)}`, hint }
}

function opensslError({ code }: Failure, { peer }: PeerView): Reason | undefined {
  const known = openssl[code]
  return known === undefined ? undefined : { says: `the ${peer} ${known} (${code})` }
}

function hangUp({ code }: Failure, { peer, by }: PeerView): Reason | undefined {
  if (code !== 'ECONNRESET') return undefined
  const hint = by === 'psk' ? 'are the username and the pre-shared key right?' : undefined
  return { says: `the ${peer} closed the connection during the TLS handshake`, errno: 'ECONNRESET', hint }
}

export function keyTooShort(peer: string): Reason {
  return {
    says: `the ${peer}'s certificate has a key that is too short: RSA keys need at least 2048 bits`,
    errno: 'EACCES',
  }
}

export function withoutKey(peer: PeerView['peer']): Reason {
  return {
    says: `the ${peer} sent a certificate instead of a proof that it knows the pre-shared key`,
    errno: 'EACCES',
  }
}

/**
 * `ERR_SSL_TLSV1_ALERT_UNKNOWN_CA`, `tlsv13 alert certificate required`. What OpenSSL 3.0 calls `sslv3` is `ssl/tls` from
 * 3.2 on.
 */
function alertName(code: string, reason: string): string | undefined {
  const named = /^ERR_SSL_(?:SSLV3|SSL\/TLS|TLSV1|TLSV13)_ALERT_(\w+)$/.exec(code)
  if (named !== null) return (named[1] as string).replaceAll('_', ' ').toLowerCase()
  const inText = /(?:sslv3|ssl\/tls|tlsv1|tlsv13) alert ([a-z ]+)/.exec(reason)
  if (inText !== null) return (inText[1] as string).trim()
  const unnamed = /^ERR_SSL_TLSV1_(UNKNOWN_PSK_IDENTITY|UNRECOGNIZED_NAME)$/.exec(code)
  return unnamed === null ? undefined : (unnamed[1] as string).replaceAll('_', ' ').toLowerCase()
}
