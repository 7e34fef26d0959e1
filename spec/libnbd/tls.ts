import type { Section } from './line.js'

export const tls: Section = {
  heading: 'TLS',
  lines: [
    {
      names: ['nbd_set_tls', 'nbd_get_tls'],
      ours: ["new Handle({ tls: 'require', tlsProvider: nodeTls() })", 'handle.settings.tls'],
      note: '`nodeTls` is an export of `@nbdjs/tls`',
    },
    { names: ['nbd_get_tls_negotiated'], ours: ['handle.session.tls'] },
    {
      names: ['nbd_set_tls_certificates'],
      ours: ['nodeTls({ certificates })', 'nodeTls({ ca, cert, key, crl })'],
      note: 'a directory, or PEM text; `fingerprint` pins a certificate',
    },
    {
      names: ['nbd_set_tls_psk_file'],
      ours: ['nodeTls({ pskFile })', 'nodeTls({ psk: { username, key } })'],
      note: 'a file of psktool(1), or a key',
    },
    {
      names: ['nbd_set_tls_username', 'nbd_get_tls_username'],
      ours: ['nodeTls({ username })', 'tlsProvider.uri?.user'],
    },
    {
      names: ['nbd_set_tls_hostname', 'nbd_get_tls_hostname'],
      ours: ['nodeTls({ serverName })', 'tlsProvider.uri?.hostname'],
    },
    {
      names: ['nbd_set_tls_verify_peer', 'nbd_get_tls_verify_peer'],
      ours: ['nodeTls({ verifyPeer })', 'tlsProvider.uri?.verifyPeer'],
    },
    { names: ['nbd_supports_tls'], none: 'TLS is available if a `tlsProvider` is passed.' },
  ],
}
