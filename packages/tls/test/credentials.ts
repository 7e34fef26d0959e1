import { execFileSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const configuration = `
[req]
distinguished_name = name
[name]
[ca]
default_ca = list
[list]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 30
`

export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface CertificateOptions {
  readonly commonName?: string
  /** As openssl-x509v3_config(5) spells them: `DNS:disk.example,IP:127.0.0.1`. */
  readonly names?: string
  /** Valid from now on. Less than 1: it has expired. */
  readonly days?: number
  /** The length of an RSA key. Without it the key is of the curve P-256. */
  readonly rsaBits?: number
}

/** A certificate authority in a folder of its own, made by openssl(1). */
export class Authority {
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'nbdjs-tls-'))
  #count = 0
  readonly ca: string

  constructor(commonName = 'The authority of the test') {
    writeFileSync(join(this.#folder, 'openssl.cnf'), configuration)
    writeFileSync(join(this.#folder, 'index.txt'), '')
    writeFileSync(join(this.#folder, 'crlnumber'), '01\n')
    this.#newKey('ca', commonName, [
      '-x509',
      '-out',
      'ca.crt',
      '-days',
      '30',
      ...extensions('critical,CA:TRUE'),
    ])
    this.ca = this.#read('ca.crt')
  }

  issue({ commonName = 'disk.example', names, days = 30, rsaBits }: CertificateOptions = {}): Certificate {
    const name = `issued-${++this.#count}`
    const alternative = names === undefined ? [] : ['-addext', `subjectAltName=${names}`]
    const args = ['-out', `${name}.csr`, ...extensions('CA:FALSE'), ...alternative]
    this.#newKey(name, commonName, args, rsaBits)
    this.#openssl(
      ['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-out', `${name}.crt`],
      ['-set_serial', String(this.#count), '-days', String(days), '-copy_extensions', 'copyall'],
    )
    return { cert: this.#read(`${name}.crt`), key: this.#read(`${name}.key`) }
  }

  /** The revocation list, with these certificates on it. */
  revoke(...revoked: readonly Certificate[]): string {
    const ca = ['ca', '-config', 'openssl.cnf', '-cert', 'ca.crt', '-keyfile', 'ca.key']
    for (const { cert } of revoked) {
      writeFileSync(join(this.#folder, 'revoked.crt'), cert)
      this.#openssl(ca, ['-revoke', 'revoked.crt'])
    }
    this.#openssl(ca, ['-gencrl', '-out', 'ca.crl'])
    return this.#read('ca.crl')
  }

  encrypted({ key }: Certificate, passphrase: string): string {
    writeFileSync(join(this.#folder, 'plain.key'), key)
    this.#openssl([
      'pkcs8',
      '-topk8',
      '-in',
      'plain.key',
      '-out',
      'secret.key',
      '-passout',
      `pass:${passphrase}`,
    ])
    return this.#read('secret.key')
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true })
  }

  #newKey(name: string, commonName: string, args: readonly string[], rsaBits?: number): void {
    const subject = ['-subj', `/CN=${commonName}`, '-config', 'openssl.cnf']
    const kind = rsaBits === undefined ? ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] : [`rsa:${rsaBits}`]
    this.#openssl(['req', '-utf8', ...subject, '-newkey', ...kind, '-nodes', '-keyout', `${name}.key`], args)
  }

  #openssl(...args: readonly (readonly string[])[]): void {
    try {
      execFileSync('openssl', args.flat(), { cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] })
    } catch (cause) {
      const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
      throw isMissing ? new Error('openssl is missing: install it (Debian: apt-get install openssl)') : cause
    }
  }

  #read(name: string): string {
    return readFileSync(join(this.#folder, name), 'utf8')
  }
}

/** A folder with these files, to be removed by the test. */
export function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'nbdjs-tls-'))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return folder
}

/** As openssl-x509(1) prints it. */
export function sha256(pem: string): string {
  const hex = createHash('sha256').update(new X509Certificate(pem).raw).digest('hex').toUpperCase()
  return hex.replace(/..(?!$)/g, '$&:')
}

const extensions = (basicConstraints: string): string[] => ['-addext', `basicConstraints=${basicConstraints}`]
