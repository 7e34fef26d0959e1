import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const run = (folder: string, command: string, ...args: readonly string[]): void => {
  execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** Makes the certificates of an authority and a server with certtool(1), under the file names of nbdkit and libnbd. */
export const makeCertificates = (folder: string): void => {
  writeFileSync(join(folder, 'ca.cfg'), 'cn = "An authority"\nca\ncert_signing_key\n')
  writeFileSync(
    join(folder, 'server.cfg'),
    'cn = "localhost"\ndns_name = "localhost"\ntls_www_server\nsigning_key\n',
  )
  for (const name of ['ca', 'server']) {
    run(folder, 'certtool', '--generate-privkey', '--key-type=ecdsa', '--outfile', `${name}-key.pem`)
  }
  const files = (name: string): string[] => {
    const [key, template, certificate] = [`${name}-key.pem`, `${name}.cfg`, `${name}-cert.pem`]
    return ['--load-privkey', key, '--template', template, '--outfile', certificate]
  }
  const byAuthority = ['--load-ca-certificate', 'ca-cert.pem', '--load-ca-privkey', 'ca-key.pem']
  run(folder, 'certtool', '--generate-self-signed', ...files('ca'))
  run(folder, 'certtool', '--generate-certificate', ...byAuthority, ...files('server'))
}

/** Makes a pre-shared key for one user with psktool(1). */
export const makePskFile = (path: string, username: string): void =>
  run('.', 'psktool', '--username', username, '--pskfile', path)
