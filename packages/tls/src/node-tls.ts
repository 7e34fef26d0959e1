import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import tls from 'node:tls'
import type { Connection, TlsHandover, TlsProvider, UriTls } from '@nbdjs/core'
import { acceptedConnection, transportError } from '@nbdjs/node-socket'
import { type ClientSettings, clientSettings, indicated, type NodeTlsOptions } from './client-settings.js'
import { handshake } from './handshake.js'
import { type Fingerprint, fingerprintOf, formatFingerprint, isSameFingerprint } from './pin.js'
import { streamUnder } from './stream-under.js'
import { type PeerView, spurnedError, tlsError, verificationError, withoutKey } from './tls-error.js'

/**
 * TLS 1.2 and 1.3 for a client, by Node's own OpenSSL.
 *
 * The server is always verified, unless `verifyPeer` is false: its certificate by the authorities that are trusted
 * and for the name that was dialled, or by its fingerprint; with a pre-shared key, by its knowing the key. Files are
 * read here and now, and none later.
 *
 * Throws a NbdUsageError for options that cannot be. What fails later is a NbdTransportError with the operation `tls`
 * and an `errno`: EACCES when it is the wrong server, ECONNRESET when it hung up, else EPROTO.
 */
export function nodeTls(options: NodeTlsOptions = {}): TlsProvider {
  const settings = clientSettings(options)
  return { role: 'client', uri: uriOf(options), upgrade: (handover) => upgrade(settings, handover) }
}

/** What `uriTls` would make the same of. A URI has no place for PEM, keys and fingerprints. */
function uriOf({ certificates, pskFile, psk, username, serverName, verifyPeer }: NodeTlsOptions): UriTls {
  const user = psk?.username ?? username
  return Object.freeze({
    ...(user === undefined ? {} : { user }),
    ...(certificates === undefined ? {} : { certificates }),
    ...(pskFile === undefined ? {} : { pskFile }),
    ...(serverName === undefined ? {} : { hostname: serverName }),
    ...(verifyPeer === false ? { verifyPeer } : {}),
  })
}

async function upgrade(settings: ClientSettings, handover: TlsHandover): Promise<Connection> {
  const { address, signal } = handover
  const { trust } = settings
  const view: PeerView = { peer: 'server', by: trust.kind === 'psk' ? 'psk' : 'certificate' }
  const name = (settings.serverName ?? handover.hostName)?.replace(/%.*/, '')
  const servername = indicated(name)
  const socket = tls.connect({
    socket: streamUnder(handover),
    secureContext: settings.context,
    ...(servername === undefined ? {} : { servername }),
    ...verification(settings, name, address),
  })
  await handshake(socket, {
    ...view,
    address,
    signal,
    verify: () => {
      if ('pin' in trust && trust.pin !== undefined) checkPin(address, trust.pin, socket)
    },
  })
  return tlsConnection(address, socket, view)
}

/** A connection that speaks TLS, done with its handshake. */
export function tlsConnection(address: string, socket: tls.TLSSocket, view: PeerView): Connection {
  return acceptedConnection(address, socket, {
    // In TLS 1.3 the server judges our certificate after our handshake is done, and may hang up without an alert.
    toError: (_, error) => {
      const code = (error as NodeJS.ErrnoException).code ?? ''
      if (/^ERR_SSL/.test(code)) return tlsError(address, error, view)
      const failure = transportError(address, error)
      const isSpurned = /^(ECONNRESET|EPIPE)$/.test(code) && socket.bytesRead === 0
      return isSpurned && view.peer === 'server' && view.by === 'certificate'
        ? spurnedError(failure)
        : failure
    },
  })
}

// Each says by itself whether strangers are rejected: the default could be changed by the environment.
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
        // There is no certificate to have a name; where there is one, it is no proof of the key.
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
  return verificationError(
    address,
    `the server's certificate is for ${names.replaceAll(/DNS:|IP Address:|CN:/g, '')}, and not for ${name} (option serverName)`,
  )
}

/** An address by OpenSSL's own check: that of Node 22.23 finds no IPv6 address in any certificate. */
function isNamed(name: string, certificate: tls.PeerCertificate): boolean {
  if (isIP(name) === 0) return tls.checkServerIdentity(name, certificate) === undefined
  return new X509Certificate(certificate.raw).checkIP(name) !== undefined
}

function checkPin(address: string, expected: Fingerprint, socket: tls.TLSSocket): void {
  const certificate = socket.getPeerCertificate()
  const received = isEmpty(certificate) ? undefined : fingerprintOf(certificate.raw)
  if (received !== undefined && isSameFingerprint(received, expected)) return
  throw verificationError(
    address,
    `the server's certificate is not the pinned one: expected SHA-256 ${formatFingerprint(expected)}, received ${
      received === undefined ? 'no certificate' : formatFingerprint(received)
    }`,
  )
}

function isEmpty(certificate: tls.PeerCertificate): boolean {
  return Object.keys(certificate).length === 0
}
