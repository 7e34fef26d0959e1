import { NbdUsageError, type TlsProvider, type UriTls } from '@nbdjs/core'
import type { NodeTlsOptions } from './client-settings.js'
import { nodeTls } from './node-tls.js'

/**
 * What `connectUri` makes its TLS of: the `tls-` parameters of a URI and its user name, upon `options` where the
 * URI says nothing. nbd-uri.md, "NBD URI query parameters related to TLS".
 *
 * Throws a NbdUsageError for `tls-type=anon`: a server that proves nothing could be anybody.
 */
export function uriTls(options: NodeTlsOptions = {}): (uri: UriTls) => TlsProvider {
  return ({ user, certificates, pskFile, hostname, verifyPeer, type }) => {
    if (type === 'anon')
      throw new NbdUsageError(
        'tls-type=anon: anonymous TLS is not supported, it proves nothing of the server',
        {
          errno: 'ENOTSUP',
        },
      )
    const said: NodeTlsOptions = {
      ...(certificates === undefined ? {} : { certificates }),
      ...(pskFile === undefined ? {} : { pskFile }),
      ...(hostname === undefined ? {} : { serverName: hostname }),
      ...(verifyPeer === undefined ? {} : { verifyPeer }),
      ...(user === undefined ? {} : { username: user }),
    }
    const merged = { ...options, ...said }
    checkType(type, merged)
    return nodeTls(merged)
  }
}

function checkType(type: UriTls['type'], { psk, pskFile }: NodeTlsOptions): void {
  const isPsk = psk !== undefined || pskFile !== undefined
  if (type === 'psk' && !isPsk)
    throw new NbdUsageError('tls-type=psk: expected tls-psk-file, or the option psk or pskFile')
  if (type === 'x509' && isPsk)
    throw new NbdUsageError('tls-type=x509: excludes tls-psk-file, psk and pskFile')
}
