import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import tls from 'node:tls'
import { type Connection, quote, type TlsHandover, type TlsProvider } from '@nbdjs/core'
import { acceptedConnection, socketReady, transportError } from '@nbdjs/node-socket'
import { type ClientSettings, clientSettings, type NodeTlsOptions, uriOf } from './client-settings.js'
import {
  type Fingerprint,
  fingerprintOf,
  formatFingerprint,
  hasShortKey,
  isSameFingerprint,
} from './credentials.js'
import {
  keyTooShort,
  type PeerView,
  resetAfterHandshake,
  tlsError,
  verificationError,
  withoutKey,
} from './tls-error.js'
import { underlyingStream } from './underlying-stream.js'

/**
 * Makes the TLS provider of a client: TLS 1.2 and 1.3 by Node's own OpenSSL.
 *
 * The server is always verified, unless `verifyPeer` is false: its certificate by the trusted authorities and for the
 * host name that is dialled, or by its fingerprint; with a pre-shared key, by proof that it knows the key. RSA keys of
 * fewer than 2048 bits are rejected. Files are read by this call, and never later.
 *
 * A failed upgrade is a NbdTransportError with the operation `tls`. Its errno is EACCES when the server is the wrong
 * one, ECONNRESET when it hung up, else EPROTO.
 *
 * @param options Without options, the server needs a certificate of an authority that Node trusts.
 * @returns the provider, for the option `tlsProvider` of a handle.
 * @throws {NbdUsageError} for options that cannot work, and for a file that cannot be read.
 * @example
 * const tlsProvider = nodeTls({ ca: await readFile('ca-cert.pem') })
 * const nbd = await connect(tcp('localhost'), { tls: 'require', tlsProvider })
 */
export function nodeTls(options: NodeTlsOptions = {}): TlsProvider {
  const settings = clientSettings(options)
  return { role: 'client', uri: uriOf(options), upgrade: (handover) => upgrade(settings, handover) }
}

async function upgrade(settings: ClientSettings, handover: TlsHandover): Promise<Connection> {
  const { address, signal } = handover
  const { trust } = settings
  const view: PeerView = { peer: 'server', by: trust.kind === 'psk' ? 'psk' : 'certificate' }
  const name = (settings.serverName ?? handover.hostName)?.replace(/%.*/, '')
  const servername = sniName(name)
  const socket = tls.connect({
    socket: underlyingStream(handover),
    secureContext: settings.context,
    ...(servername === undefined ? {} : { servername }),
    ...verification(settings, name, address),
  })
  try {
    await socketReady(socket, 'secureConnect', signal)
    if ('pin' in trust && trust.pin !== undefined) checkPin(address, trust.pin, socket)
    return tlsConnection(address, socket, view)
  } catch (cause) {
    // Destroying can cause further errors.
    socket.on('error', () => {})
    socket.destroy()
    throw signal.aborted && cause === signal.reason ? cause : tlsError(address, cause, view)
  }
}

/** The name to send in the handshake: RFC 6066 allows no addresses ("Server Name Indication"). */
function sniName(name: string | undefined): string | undefined {
  return name === undefined || isIP(name) !== 0 ? undefined : name
}

/** Makes the connection of a TLS socket that completed its handshake. */
export function tlsConnection(address: string, socket: tls.TLSSocket, view: PeerView): Connection {
  return acceptedConnection(address, socket, {
    // In TLS 1.3 the server verifies our certificate after our handshake is done, and may hang up without an alert.
    toError: (_, error) => {
      const code = (error as NodeJS.ErrnoException).code ?? ''
      if (code.startsWith('ERR_SSL')) return tlsError(address, error, view)
      const failure = transportError(address, error)
      const isReset = (code === 'ECONNRESET' || code === 'EPIPE') && socket.bytesRead === 0
      return isReset && view.peer === 'server' && view.by === 'certificate'
        ? resetAfterHandshake(failure)
        : failure
    },
  })
}

// `rejectUnauthorized` is always set: the environment could change its default.
function verification(
  { trust }: ClientSettings,
  name: string | undefined,
  address: string,
): tls.ConnectionOptions {
  switch (trust.kind) {
    case 'psk': {
      const { username, key } = trust.psk
      return {
        rejectUnauthorized: true,
        pskCallback: () => ({ identity: username, psk: Buffer.from(key) }),
        // With a pre-shared key there is no certificate; a certificate is no proof of the key.
        checkServerIdentity: (_, certificate) =>
          isEmpty(certificate) ? undefined : verificationError(address, withoutKey('server').says),
      }
    }
    case 'authority':
      return {
        rejectUnauthorized: true,
        checkServerIdentity: (_, certificate) =>
          name === undefined ? undefined : checkName(name, certificate, address),
      }
    case 'pin':
    case 'none':
      return { rejectUnauthorized: false, checkServerIdentity: () => undefined }
  }
}

function checkName(name: string, certificate: tls.PeerCertificate, address: string): Error | undefined {
  if (isNamed(name, certificate)) return undefined
  const names = certificate.subjectaltname ?? `CN:${certificate.subject?.CN ?? ''}`
  const plain = names.replaceAll(/DNS:|IP Address:|CN:/g, '')
  return verificationError(
    address,
    `the server's certificate is for ${quote(plain)}, not for ${quote(name)}`,
    'the option serverName sets the expected name',
  )
}

/** Checks an address with OpenSSL's own function: that of Node 22.23 finds no IPv6 address in any certificate. */
function isNamed(name: string, certificate: tls.PeerCertificate): boolean {
  if (isIP(name) === 0) return tls.checkServerIdentity(name, certificate) === undefined
  return new X509Certificate(certificate.raw).checkIP(name) !== undefined
}

function checkPin(address: string, expected: Fingerprint, socket: tls.TLSSocket): void {
  const certificate = socket.getPeerCertificate()
  const received = isEmpty(certificate) ? undefined : fingerprintOf(certificate.raw)
  if (received === undefined || !isSameFingerprint(received, expected)) {
    const shown = received === undefined ? 'no certificate' : formatFingerprint(received)
    throw verificationError(
      address,
      `the server's certificate is not the pinned one: expected SHA-256 ${formatFingerprint(expected)}, received ${shown}`,
    )
  }
  // Here OpenSSL verifies nothing, and its security level does not count.
  if (hasShortKey(certificate)) throw verificationError(address, keyTooShort('server').says)
}

function isEmpty(certificate: tls.PeerCertificate): boolean {
  return Object.keys(certificate).length === 0
}
