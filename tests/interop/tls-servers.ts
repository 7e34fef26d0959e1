import { join } from 'node:path'
import { diskImage } from './peers/disk-image.js'
import type { Installation, Program } from './peers/installation.js'
import { nbdServer } from './peers/nbd-server.js'
import { nbdkit } from './peers/nbdkit.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import type { ListenOn, ServerPeer } from './peers/server-peer.js'

export interface TlsServerOptions {
  readonly listenOn: ListenOn
  /** Of certificates or of keys. */
  readonly folder: string
  readonly by: 'certificate' | 'psk'
  /** Wants a certificate of the client. */
  readonly verifyPeer?: boolean
  /** In the terms of GnuTLS; the default of the server if it is not given. */
  readonly version?: 'TLS1.2' | 'TLS1.3'
}

/** A server of others' that insists on TLS for its one export, of zeroes at first. */
export interface KindOfTlsServer {
  readonly name: string
  readonly program: Program
  readonly installation: Installation
  readonly exportName: string
  readonly speaks: readonly TlsServerOptions['by'][]
  /** Whether its versions of TLS can be chosen. */
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
  // Left without an authority for its clients, nbd-server 3.24 refuses every one of them.
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
