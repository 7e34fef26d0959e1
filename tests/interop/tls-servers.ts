import { join } from 'node:path'
import { diskImage } from './peers/disk-image.js'
import type { Installation, Program } from './peers/installation.js'
import { nbdServer } from './peers/nbd-server.js'
import { nbdkit } from './peers/nbdkit.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import type { ListenOn, ServerPeer } from './peers/server-peer.js'

export interface TlsServerOptions {
  readonly listenOn: ListenOn
  /** The folder of the certificates or keys. */
  readonly folder: string
  readonly by: 'certificate' | 'psk'
  /** Whether the client needs a certificate. */
  readonly verifyPeer?: boolean
  /** The only allowed version, with GnuTLS's name. Default: that of the server. */
  readonly version?: 'TLS1.2' | 'TLS1.3'
}

/** A server that requires TLS for its only export, which is all zeroes. */
export interface KindOfTlsServer {
  readonly name: string
  readonly program: Program
  readonly installation: Installation
  readonly exportName: string
  readonly speaks: readonly TlsServerOptions['by'][]
  /** Whether `version` can be set. */
  readonly hasVersions: boolean
  start(options: TlsServerOptions): Promise<ServerPeer>
}

export const size = 2 ** 22

const nbdkitTls = (installation: Installation): KindOfTlsServer => ({
  name: `nbdkit (${installation})`,
  program: 'nbdkit',
  installation,
  exportName: '',
  speaks: ['certificate', 'psk'],
  hasVersions: false,
  start: ({ listenOn, folder, by, verifyPeer = false }) =>
    nbdkit({
      installation,
      listenOn,
      plugin: 'memory',
      parameters: [String(size)],
      options: [
        '--tls=require',
        ...(by === 'psk' ? [`--tls-psk=${join(folder, 'keys.psk')}`] : [`--tls-certificates=${folder}`]),
        ...(verifyPeer ? ['--tls-verify-peer'] : []),
      ],
    }),
})

const qemuNbdTls = (installation: Installation): KindOfTlsServer => ({
  name: `qemu-nbd (${installation})`,
  program: 'qemu-nbd',
  installation,
  exportName: 'disk',
  speaks: ['certificate', 'psk'],
  hasVersions: true,
  start: ({ listenOn, folder, by, verifyPeer = false, version }) => {
    const kind = by === 'psk' ? 'tls-creds-psk' : 'tls-creds-x509'
    const others = version === undefined ? '' : `,priority=NORMAL:-VERS-ALL:+VERS-${version}`
    const peer = by === 'psk' ? '' : `,verify-peer=${verifyPeer ? 'yes' : 'no'}`
    return qemuNbd({
      installation,
      listenOn,
      image: diskImage(size),
      exportName: 'disk',
      options: [
        '--object',
        `${kind},id=tls0,endpoint=server,dir=${folder}${peer}${others}`,
        '--tls-creds=tls0',
      ],
    })
  },
})

const nbdServerTls: KindOfTlsServer = {
  name: 'nbd-server (host)',
  program: 'nbd-server',
  installation: 'host',
  exportName: 'disk',
  speaks: ['certificate'],
  hasVersions: true,
  // Without an authority for clients, nbd-server 3.24 rejects all clients.
  start: ({ listenOn, folder, version }) =>
    nbdServer({
      listenOn,
      exports: { disk: { exportname: diskImage(size) } },
      generic: {
        certfile: join(folder, 'server-cert.pem'),
        keyfile: join(folder, 'server-key.pem'),
        force_tls: 'true',
        cacertfile: join(folder, 'ca-cert.pem'),
        ...(version === undefined ? {} : { tlsprio: `NORMAL:-VERS-ALL:+VERS-${version}` }),
      },
    }),
}

export const kindsOfTlsServer: readonly KindOfTlsServer[] = [
  nbdkitTls('host'),
  nbdkitTls('newest'),
  qemuNbdTls('host'),
  qemuNbdTls('newest'),
  nbdServerTls,
]
