/** What goes wrong with TLS, in words that tell what to do. */
import { type Errno, NbdTransportError } from '@nbdjs/core'

/** Who the peer is, and how it was to be known: for messages. */
export interface PeerView {
  readonly peer: 'server' | 'client'
  readonly by: 'certificate' | 'psk'
}

interface Reason {
  readonly says: string
  readonly errno?: Errno
}

const untrusted = (peer: string): Reason => ({
  says: `the ${peer}'s certificate is not signed by an authority that is trusted here (options ca, certificates)`,
  errno: 'EACCES',
})

const selfSigned = (peer: string): Reason => ({
  says: `the ${peer}'s certificate is self-signed, or signed by an authority that is not trusted here (options ca, certificates, fingerprint)`,
  errno: 'EACCES',
})

const certificateIs =
  (what: string) =>
  (peer: string): Reason => ({ says: `the ${peer}'s certificate ${what}`, errno: 'EACCES' })

/** By the codes of X509_verify_cert_error_string(3), as Node names them. */
const verification: Readonly<Record<string, (peer: string) => Reason>> = {
  CERT_HAS_EXPIRED: certificateIs('has expired'),
  CERT_NOT_YET_VALID: certificateIs('is not valid yet: is the clock right?'),
  CERT_REVOKED: certificateIs('was revoked'),
  CERT_REJECTED: certificateIs('is not trusted for this purpose'),
  INVALID_PURPOSE: certificateIs('is not made for this purpose'),
  CRL_HAS_EXPIRED: () => ({
    says: 'the revocation list has expired (options crl, certificates)',
    errno: 'EACCES',
  }),
  UNABLE_TO_GET_CRL: certificateIs('is of an authority without a revocation list here (option crl)'),
  DEPTH_ZERO_SELF_SIGNED_CERT: selfSigned,
  SELF_SIGNED_CERT_IN_CHAIN: selfSigned,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  CERT_SIGNATURE_FAILURE: certificateIs('has a signature that does not fit the trusted authority'),
}

/** By the codes of OpenSSL's own errors. */
const openssl: Readonly<Record<string, string>> = {
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'it speaks no version of TLS that is allowed here (TLS 1.2 or 1.3)',
  ERR_SSL_UNEXPECTED_MESSAGE: 'it does not speak TLS as it should',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it answered with something that is not TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it answered with something that is not TLS',
  ERR_SSL_BAD_PSK: 'it chose no pre-shared key that was offered',
  ERR_SSL_NO_SHARED_CIPHER: 'there is no cipher suite that both sides know',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'it sent no certificate, and one is required',
  ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 'a message was tampered with, or the keys do not fit',
  ERR_SSL_BINDER_DOES_NOT_VERIFY: 'its pre-shared key is not the one that belongs to its username',
  ERR_SSL_PSK_IDENTITY_NOT_FOUND: 'the username that it gave is not known here',
}

/** The alerts of RFC 8446, "Error Alerts", that a peer sends when it does not accept us. */
const alertHints: Readonly<Record<PeerView['by'], readonly (readonly [RegExp, string])[]>> = {
  certificate: [
    [/unknown ca$/, 'it does not trust the authority of our certificate'],
    [
      /certificate required$|handshake failure$/,
      'does it want a client certificate? (options cert and key, certificates)',
    ],
    [
      /(bad|expired|revoked|unsupported) certificate|certificate (expired|revoked|unknown)/,
      'it does not accept our certificate',
    ],
    [/protocol version$/, 'it speaks no version of TLS that is allowed here (TLS 1.2 or 1.3)'],
  ],
  psk: [
    [
      /unknown psk identity$|unknown_psk|decrypt error$|bad record mac$|decryption failed|illegal parameter$/,
      'the username or the pre-shared key was rejected: is the username known there, and the key the same?',
    ],
    [
      /handshake failure$|insufficient security$|missing extension$|certificate required$/,
      'does it take pre-shared keys? The username or the key may also be wrong',
    ],
    [/protocol version$/, 'it speaks no version of TLS that is allowed here (TLS 1.2 or 1.3)'],
  ],
}

/** Maps what `node:tls` says to a NbdTransportError whose operation is `tls`. */
export function tlsError(address: string, cause: unknown, view: PeerView): NbdTransportError {
  if (cause instanceof NbdTransportError) return cause
  const { says, errno } = reasonOf(cause, view)
  return new NbdTransportError(`TLS with ${address} failed: ${says}`, {
    operation: 'tls',
    address,
    errno: errno ?? 'EPROTO',
    cause,
  })
}

/** A reset, or a broken pipe, before the server said a word under TLS, and what may have brought it about. */
export function spurnedError({
  message,
  operation,
  address,
  errno,
  cause,
}: NbdTransportError): NbdTransportError {
  const hint = 'does it want a client certificate, or another one? (options cert and key, certificates)'
  return new NbdTransportError(`${message} as soon as the TLS handshake was done: ${hint}`, {
    ...{ operation, address, errno, cause },
  })
}

/** A verification that this package made itself has failed. */
export function verificationError(address: string, says: string): NbdTransportError {
  return new NbdTransportError(`TLS with ${address} failed: ${says}`, {
    operation: 'tls',
    address,
    errno: 'EACCES',
  })
}

function reasonOf(cause: unknown, { peer, by }: PeerView): Reason {
  const {
    code,
    message = String(cause),
    reason,
  } = Object(cause) as {
    code?: unknown
    message?: string
    reason?: unknown
  }
  const name = typeof code === 'string' ? code : ''
  const verified = verification[name]
  if (verified !== undefined) {
    // A certificate has no business here: it is a peer that does not know the key.
    if (by === 'psk') return withoutKey(peer)
    return verified(peer)
  }
  const alert = alertOf(name, typeof reason === 'string' ? reason : message)
  if (alert !== undefined) {
    const hint = alertHints[by].find(([pattern]) => pattern.test(alert))?.[1]
    return { says: `the ${peer} refused with the alert "${alert}"${hint === undefined ? '' : `: ${hint}`}` }
  }
  const known = openssl[name]
  if (known !== undefined) return { says: `the ${peer}: ${known} (${name})` }
  if (name === 'ECONNRESET') {
    const hint = by === 'psk' ? ': are the username and the pre-shared key right?' : ''
    return { says: `the ${peer} hung up during the TLS handshake${hint}`, errno: 'ECONNRESET' }
  }
  return { says: message, ...(/^E(?!RR_)/.test(name) ? { errno: name } : {}) }
}

export function withoutKey(peer: PeerView['peer']): Reason {
  return {
    says: `the ${peer} presented a certificate instead of the pre-shared key, so that it need not know the key`,
    errno: 'EACCES',
  }
}

/**
 * `ERR_SSL_TLSV1_ALERT_UNKNOWN_CA`, `tlsv13 alert certificate required`. What OpenSSL 3.0 calls `sslv3` is `ssl/tls` from
 * 3.2 on.
 */
function alertOf(code: string, reason: string): string | undefined {
  const named = /^ERR_SSL_(?:SSLV3|SSL\/TLS|TLSV1|TLSV13)_ALERT_(\w+)$/.exec(code)
  if (named !== null) return (named[1] as string).replaceAll('_', ' ').toLowerCase()
  const told = /(?:sslv3|ssl\/tls|tlsv1|tlsv13) alert ([a-z ]+)/.exec(reason)
  if (told !== null) return (told[1] as string).trim()
  const unnamed = /^ERR_SSL_TLSV1_(UNKNOWN_PSK_IDENTITY|UNRECOGNIZED_NAME)$/.exec(code)
  return unnamed === null ? undefined : (unnamed[1] as string).replaceAll('_', ' ').toLowerCase()
}
