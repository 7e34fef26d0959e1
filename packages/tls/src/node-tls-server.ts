import type tls from 'node:tls'
import { type Connection, NbdUsageError, type TlsHandover, type TlsProvider } from '@nbdjs/core'
import { checkMinVersion } from './client-settings.js'
import {
  type Credentials,
  checkCredentials,
  credentialNames,
  forNode,
  readCertificates,
  secureContext,
} from './credentials.js'
import { checkBoolean, checkNames, checkString } from './misuse.js'
import { tlsConnection } from './node-tls.js'
import { checkPsk, type Psk, PskFile, pskCiphers } from './psk.js'
import { serverHandshake } from './server-handshake.js'
import type { PeerView } from './tls-error.js'

/** TLS for a server: with a certificate, or with pre-shared keys. */
export interface NodeTlsServerOptions extends Credentials {
  /**
   * A directory with `server-cert.pem` and `server-key.pem`, and perhaps `ca-cert.pem` and `ca-crl.pem`, as nbdkit's;
   * instead of the options above.
   */
  readonly certificates?: string | undefined
  /** Keys that clients share, instead of certificates. */
  readonly psk?: readonly Psk[] | undefined
  /** The file of such keys that psktool(1) writes: every user in it may come. */
  readonly pskFile?: string | undefined
  /** Whether a client needs a certificate of the authorities in `ca`. Default false. */
  readonly verifyPeer?: boolean | undefined
  /** The oldest version of TLS to speak. Default: `TLSv1.2`. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
}

const names = [...credentialNames, 'certificates', 'psk', 'pskFile', 'verifyPeer', 'minVersion']
const where = 'nodeTlsServer'

/**
 * TLS 1.2 and 1.3 for the server's side of a connection. Files are read here and now, and none later.
 *
 * Throws a NbdUsageError for options that cannot be. What fails later is a NbdTransportError with the operation `tls`.
 */
export function nodeTlsServer(options: NodeTlsServerOptions): TlsProvider {
  checkNames(where, options, names)
  for (const name of ['certificates', 'pskFile'] as const) checkString(`${where}.${name}`, options[name])
  checkBoolean(`${where}.verifyPeer`, options.verifyPeer)
  const minVersion = checkMinVersion(where, options.minVersion)
  const keys = keysOf(options)
  const credentials = credentialsOf(options)
  if ((keys === undefined) === (credentials.cert === undefined)) {
    throw new NbdUsageError(
      `${where}: expected either a certificate (cert and key, or certificates) or psk or pskFile`,
    )
  }
  if (keys !== undefined) {
    return provider('psk', {
      minVersion,
      ciphers: pskCiphers,
      dhparam: 'auto',
      pskCallback: (_, username) => {
        const key = keys.get(username)
        return key === undefined ? null : Buffer.from(key)
      },
    })
  }
  const { verifyPeer = false } = options
  if (verifyPeer && credentials.ca === undefined)
    throw new NbdUsageError(
      `${where}: verifyPeer needs the authorities of the clients' certificates (ca, certificates)`,
    )
  // Once, for the errors: Node's server makes its own.
  secureContext(where, credentials, { minVersion })
  return provider('certificate', {
    ...forNode(credentials),
    minVersion,
    requestCert: verifyPeer,
    rejectUnauthorized: verifyPeer,
  })
}

function provider(by: PeerView['by'], options: tls.TlsOptions): TlsProvider {
  const view: PeerView = { peer: 'client', by }
  return { role: 'server', upgrade: (handover) => upgrade(options, view, handover) }
}

async function upgrade(options: tls.TlsOptions, view: PeerView, handover: TlsHandover): Promise<Connection> {
  const socket = await serverHandshake(options, view, handover)
  return tlsConnection(handover.address, socket, view)
}

function keysOf({ psk, pskFile }: NodeTlsServerOptions): ReadonlyMap<string, Uint8Array> | undefined {
  if (psk !== undefined && pskFile !== undefined)
    throw new NbdUsageError(`${where}: psk and pskFile exclude each other`)
  if (psk !== undefined) {
    if (!Array.isArray(psk)) throw new NbdUsageError(`${where}.psk: expected an array`)
    return new Map(
      psk.map((one, index) => {
        checkPsk(`${where}.psk[${index}]`, one)
        return [one.username, one.key.slice()]
      }),
    )
  }
  if (pskFile === undefined) return undefined
  const file = new PskFile(`${where}.pskFile`, pskFile)
  return new Map(file.usernames.map((username) => [username, file.keyOf(username)]))
}

function credentialsOf(options: NodeTlsServerOptions): Credentials {
  const { certificates, ca, cert, key, passphrase, crl } = options
  const own = { ca, cert, key, passphrase, crl }
  const credentials =
    certificates === undefined ? own : readCertificates(`${where}.certificates`, certificates, 'server')
  if (
    certificates !== undefined &&
    credentialNames.some((name) => options[name as keyof Credentials] !== undefined)
  )
    throw new NbdUsageError(`${where}: certificates excludes ${credentialNames.join(', ')}`)
  checkCredentials(where, credentials)
  return credentials
}
