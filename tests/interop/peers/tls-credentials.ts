import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandLine, type Program } from './installation.js'

/** The file names that libnbd, nbdkit and qemu-nbd expect in a folder. */
const files = {
  ca: ['ca-cert.pem', 'ca-key.pem'],
  server: ['server-cert.pem', 'server-key.pem'],
  client: ['client-cert.pem', 'client-key.pem'],
} as const

const templates: Readonly<Record<keyof typeof files, string>> = {
  ca: 'cn = "An authority"\nca\ncert_signing_key\n',
  server:
    'cn = "localhost"\ndns_name = "localhost"\nip_address = "127.0.0.1"\nip_address = "::1"\ntls_www_server\nsigning_key\n',
  client: 'cn = "A client"\ntls_www_client\nsigning_key\n',
}

/** Makes the certificates of an authority, a server and a client in `folder`, with certtool(1). */
export const makeCertificates = (folder: string): void => {
  for (const [holder, template] of Object.entries(templates) as [keyof typeof files, string][]) {
    const [cert, key] = files[holder]
    writeFileSync(join(folder, 'template'), `${template}expiration_days = 30\n`)
    run('certtool', folder, '--generate-privkey', '--key-type=ecdsa', '--outfile', key)
    const signing =
      holder === 'ca'
        ? ['--generate-self-signed']
        : [
            '--generate-certificate',
            '--load-ca-certificate',
            'ca-cert.pem',
            '--load-ca-privkey',
            'ca-key.pem',
          ]
    run('certtool', folder, ...signing, '--load-privkey', key, '--template', 'template', '--outfile', cert)
  }
}

/** Makes a pre-shared key for each user in `keys.psk`, the file name of qemu-nbd, with psktool(1). Returns its path. */
export const makePskFile = (folder: string, ...usernames: readonly string[]): string => {
  const path = join(folder, 'keys.psk')
  for (const username of usernames) run('psktool', folder, '-u', username, '-p', path)
  return path
}

/** The key of a user in a file of {@link makePskFile}. */
export const pskOf = (path: string, username: string): Uint8Array => {
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${username}:`))
  return Buffer.from(line?.split(':')[1] ?? '', 'hex')
}

const run = (program: Program, cwd: string, ...args: readonly string[]): void => {
  const [command = '', ...first] = commandLine(program, 'host')
  execFileSync(command, [...first, ...args], { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
}
