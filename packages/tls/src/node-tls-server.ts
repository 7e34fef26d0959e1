import tls from 'node:tls'
import {
  argumentError,
  type Connection,
  checkOptions,
  NbdUsageError,
  onAbort,
  option,
  type TlsHandover,
  type TlsProvider,
} from '@nbdjs/core'
import {
  type Credentials,
  checkCredentials,
  credentialNames,
  credentialRules,
  minVersionRule,
  nodeCredentials,
  nonEmptyString,
  readCertificates,
  secureContext,
} from './credentials.js'
import { tlsConnection } from './node-tls.js'
import { checkPsk, type Psk, PskFile, pskCiphers } from './psk.js'
import { type PeerView, tlsError } from './tls-error.js'
import { underlyingStream } from './underlying-stream.js'

/** TLS of a server: with a certificate, or with pre-shared keys. */
export interface NodeTlsServerOptions extends Credentials {
  /**
   * A directory with `server-cert.pem` and `server-key.pem`, and optionally `ca-cert.pem` and `ca-crl.pem`, as for
   * nbdkit. It replaces the options above.
   */
  readonly certificates?: string | undefined
  /** Keys that the clients know as well, instead of certificates. */
  readonly psk?: readonly Psk[] | undefined
  /** A file of such keys, as psktool(1) writes it. Every user in it is accepted. */
  readonly pskFile?: string | undefined
  /**
   * Whether a client needs a certificate of the authorities in `ca`.
   *
   * @default false
   */
  readonly verifyPeer?: boolean | undefined
  /**
   * The oldest version of TLS to speak.
   *
   * @default 'TLSv1.2'
   */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
}

const CALL = 'nodeTlsServer'

const rules = {
  ...credentialRules,
  certificates: nonEmptyString,
  psk: option.any(),
  pskFile: nonEmptyString,
  verifyPeer: option.boolean(false),
  minVersion: minVersionRule,
}

/**
 * Makes the TLS provider of a server: TLS 1.2 and 1.3 by Node's own OpenSSL. RSA keys of fewer than 2048 bits are
 * rejected, the client's too. Files are read by this call, and never later.
 *
 * A failed upgrade is a NbdTransportError with the operation `tls`.
 *
 * @param options Either a certificate (`cert` and `key`, or `certificates`), or keys (`psk` or `pskFile`).
 * @returns the provider, for the option `tlsProvider` of `Server`.
 * @throws {NbdUsageError} for options that cannot work, and for a file that cannot be read.
 * @example
 * const tlsProvider = nodeTlsServer({ certificates: '/etc/pki/nbd' })
 * const server = new Server({ exports, tls: 'required', tlsProvider })
 */
export function nodeTlsServer(options: NodeTlsServerOptions = {}): TlsProvider {
  const { minVersion, verifyPeer } = checkOptions(CALL, rules, options)
  const keys = keysOf(options)
  const credentials = credentialsOf(options)
  if ((keys === undefined) === (credentials.cert === undefined)) {
    throw new NbdUsageError(
      `${CALL}: expected either a certificate (cert and key, or certificates), or psk or pskFile`,
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
  if (verifyPeer && credentials.ca === undefined)
    throw argumentError(CALL, 'ca', 'the authorities of the clients, because verifyPeer is true', undefined)
  // Reports errors now: Node's server makes its own context later.
  secureContext(CALL, credentials, { minVersion })
  return provider('certificate', {
    ...nodeCredentials(credentials),
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
    throw new NbdUsageError(`${CALL}: psk and pskFile cannot be combined`)
  if (psk !== undefined) {
    if (!Array.isArray(psk))
      throw argumentError(CALL, 'psk', 'an array of { username, key }', psk, { secret: true })
    return new Map(
      psk.map((one, index) => {
        checkPsk(CALL, `psk[${index}]`, one)
        return [one.username, one.key.slice()]
      }),
    )
  }
  if (pskFile === undefined) return undefined
  const file = new PskFile(CALL, pskFile)
  return new Map(file.usernames.map((username) => [username, file.keyOf(username)]))
}

function credentialsOf(options: NodeTlsServerOptions): Credentials {
  const { certificates } = options
  const other = credentialNames.find((name) => options[name] !== undefined)
  if (certificates !== undefined && other !== undefined)
    throw new NbdUsageError(`${CALL}: certificates and ${other} cannot be combined`)
  const credentials = certificates === undefined ? options : readCertificates(CALL, certificates, 'server')
  checkCredentials(CALL, credentials)
  return credentials
}

interface Destroyable {
  destroy(): unknown
}

/**
 * Completes the TLS handshake of one client. When it rejects, the connection is destroyed.
 *
 * It uses a `tls.Server` that never listens: only there Node verifies the certificate of a client.
 */
function serverHandshake(
  options: tls.TlsOptions,
  view: PeerView,
  handover: TlsHandover,
): Promise<tls.TLSSocket> {
  const { address, signal } = handover
  const stream = underlyingStream(handover)
  // Its TLS socket reports the same error.
  stream.on('error', () => {})
  return new Promise((resolve, reject) => {
    const fail = (below: Destroyable, error: unknown): void =>
      settle(() => {
        below.destroy()
        reject(error)
      })
    if (signal.aborted) {
      stream.destroy()
      reject(signal.reason)
      return
    }
    const server = tls.createServer(options)
    const offAbort = onAbort(signal, () => fail(stream, signal.reason))
    const settle = (then: () => void): void => {
      offAbort()
      server.removeAllListeners('secureConnection')
      then()
    }
    server.once('secureConnection', (socket) => settle(() => resolve(socket)))
    server.on('tlsClientError', (error, socket) => {
      const { authorizationError } = socket
      const cause = authorizationError ? Object.assign(error, { code: String(authorizationError) }) : error
      // Not the stream: Node crashes when both are destroyed in one turn.
      fail(socket, tlsError(address, cause, view))
    })
    // A client that half-closes during the handshake ends it. Its connection is half-open again later.
    stream.allowHalfOpen = false
    server.emit('connection', stream)
    stream.allowHalfOpen = true
  })
}
