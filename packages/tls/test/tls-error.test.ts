import { describe, expect, it } from '@jest/globals'
import { type PeerView, tlsError } from '../src/tls-error.js'

const address = 'tcp://disk.example:10809'
const byCertificate: PeerView = { peer: 'server', by: 'certificate' }
const byKey: PeerView = { peer: 'server', by: 'psk' }

/** As `node:tls` makes it. */
const openssl = (reason: string, code?: string): Error =>
  Object.assign(
    new Error(
      `C0CC8F7F257F0000:error:0A000410:SSL routines:ssl3_read_bytes:${reason}:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:918:SSL alert number 40\n`,
    ),
    code === undefined ? {} : { code, reason },
  )

describe('an alert of the peer', () => {
  it.each([
    ['of OpenSSL 3.0', openssl('sslv3 alert handshake failure', 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE')],
    ['of OpenSSL 3.2', openssl('ssl/tls alert handshake failure', 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE')],
    ['of OpenSSL 3.0, without a code', openssl('sslv3 alert handshake failure')],
    ['of OpenSSL 3.2, without a code', openssl('ssl/tls alert handshake failure')],
  ])('%s is named in the message, with a hint', (_, cause) => {
    const error = tlsError(address, cause, byKey)
    expect(error.message).toBe(
      `TLS with ${address} failed: the server sent the alert "handshake failure": does it accept pre-shared keys? The username or the key may also be wrong`,
    )
    const hint = 'does it accept pre-shared keys? The username or the key may also be wrong'
    expect(error).toMatchObject({ operation: 'tls', address, errno: 'EPROTO', cause, hint })
  })

  it('has another hint with certificates', () => {
    const cause = openssl('ssl/tls alert bad certificate', 'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE')
    expect(tlsError(address, cause, byCertificate).message).toBe(
      `TLS with ${address} failed: the server sent the alert "bad certificate": it does not accept our certificate`,
    )
  })

  it('without a hint is named alone', () => {
    const cause = openssl('ssl/tls alert no renegotiation', 'ERR_SSL_SSL/TLS_ALERT_NO_RENEGOTIATION')
    expect(tlsError(address, cause, byCertificate).message).toBe(
      `TLS with ${address} failed: the server sent the alert "no renegotiation"`,
    )
  })
})
