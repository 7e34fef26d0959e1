/** Credentials for TLS, as GnuTLS's own programs make them: certtool(1) and psktool(1), of Debian's gnutls-bin. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const run = (folder: string, command: string, ...args: readonly string[]): void => {
  execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** Makes an authority and a certificate of a server, with the names that nbdkit and libnbd look for in a folder. */
export const makeCertificates = (folder: string): void => {
  writeFileSync(join(folder, 'ca.cfg'), 'cn = "An authority"\nca\ncert_signing_key\n')
  writeFileSync(
    join(folder, 'server.cfg'),
    'cn = "localhost"\ndns_name = "localhost"\ntls_www_server\nsigning_key\n',
  )
  for (const name of ['ca', 'server']) {
    run(folder, 'certtool', '--generate-privkey', '--key-type=ecdsa', '--outfile', `${name}-key.pem`)
  }
  const own = (name: string): string[] => [
    ...['--load-privkey', `${name}-key.pem`, '--template', `${name}.cfg`, '--outfile', `${name}-cert.pem`],
  ]
  const byAuthority = ['--load-ca-certificate', 'ca-cert.pem', '--load-ca-privkey', 'ca-key.pem']
  run(folder, 'certtool', '--generate-self-signed', ...own('ca'))
  run(folder, 'certtool', '--generate-certificate', ...byAuthority, ...own('server'))
}

/** Makes a key for one user. */
export const makePskFile = (path: string, username: string): void =>
  run('.', 'psktool', '--username', username, '--pskfile', path)
