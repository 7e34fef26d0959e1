import { argumentError, NbdUsageError, type TlsProvider, type UriTls } from '@nbdjs/core'
import { defined, type NodeTlsOptions } from './client-settings.js'
import { nodeTls } from './node-tls.js'

/**
 * Makes the TLS provider of `connectUri`, of the `tls-` parameters of a URI and its user name. What the URI does not
 * say is taken from `options`. nbd-uri.md, "NBD URI query parameters related to TLS".
 *
 * @param options The options of {@link nodeTls} for what the URI does not say.
 * @returns a function that makes the provider of a URI. It throws a NbdUsageError for what cannot work; errno ENOTSUP
 * for `tls-type=anon`, because anonymous TLS does not authenticate the server.
 * @example
 * await connectUri('nbds://host/disk', { transports: { tcp }, tlsProvider: uriTls({ ca }) })
 */
export function uriTls(options: NodeTlsOptions = {}): (uri: UriTls) => TlsProvider {
  return ({ user, certificates, pskFile, hostname, verifyPeer, type }) => {
    const ofUri = { certificates, pskFile, serverName: hostname, verifyPeer, username: user }
    const merged: NodeTlsOptions = { ...options, ...defined(ofUri) }
    checkType(type, merged)
    return nodeTls(merged)
  }
}

function checkType(type: UriTls['type'], { psk, pskFile }: NodeTlsOptions): void {
  const isPsk = psk !== undefined || pskFile !== undefined
  if (type === 'anon') {
    throw argumentError('uriTls', 'tls-type', "'psk' or 'x509'", type, {
      errno: 'ENOTSUP',
      receivedText: '"anon" (anonymous TLS does not authenticate the server)',
    })
  }
  if (type === 'psk' && !isPsk)
    throw new NbdUsageError('uriTls: tls-type=psk needs tls-psk-file, or the option psk or pskFile')
  if (type === 'x509' && isPsk)
    throw new NbdUsageError('uriTls: tls-type=x509 and tls-psk-file, psk or pskFile cannot be combined')
}
