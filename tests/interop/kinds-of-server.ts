import { readFileSync } from 'node:fs'
import { diskImage } from './peers/disk-image.js'
import type { Installation, Program } from './peers/installation.js'
import { nbdServer } from './peers/nbd-server.js'
import { nbdkit } from './peers/nbdkit.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import type { ListenOn, ServerPeer } from './peers/server-peer.js'

/** A server with one writable export that is all zeroes. */
export interface KindOfServer {
  readonly name: string
  readonly program: Program
  readonly installation: Installation
  readonly exportName: string
  /** Whether it accepts NBD_OPT_STRUCTURED_REPLY. */
  readonly hasStructuredReplies: boolean
  /** Whether it accepts NBD_OPT_EXTENDED_HEADERS. */
  readonly hasExtendedHeaders: boolean
  start(listenOn: ListenOn, size: number): Promise<Started>
}

export interface Started {
  readonly server: ServerPeer
  /** Reads the stored data without the server, if it is in a file. */
  stored?(): Uint8Array
}

const nbdkitMemory = (installation: Installation): KindOfServer => ({
  name: `nbdkit memory (${installation})`,
  program: 'nbdkit',
  installation,
  exportName: '',
  hasStructuredReplies: true,
  hasExtendedHeaders: false,
  start: async (listenOn, size) => ({
    server: await nbdkit({ installation, listenOn, plugin: 'memory', parameters: [String(size)] }),
  }),
})

const qemuNbdRaw = (installation: Installation): KindOfServer => ({
  name: `qemu-nbd raw (${installation})`,
  program: 'qemu-nbd',
  installation,
  exportName: 'disk',
  hasStructuredReplies: true,
  // Since qemu 8.2.
  hasExtendedHeaders: installation === 'newest',
  start: async (listenOn, size) => {
    const image = diskImage(size)
    const server = await qemuNbd({ installation, listenOn, image, exportName: 'disk' })
    return { server, stored: () => readFileSync(image) }
  },
})

const nbdServerFile: KindOfServer = {
  name: 'nbd-server (host)',
  program: 'nbd-server',
  installation: 'host',
  exportName: 'disk',
  hasStructuredReplies: false,
  hasExtendedHeaders: false,
  start: async (listenOn, size) => {
    const image = diskImage(size)
    const settings = { exportname: image, flush: 'true', fua: 'true', trim: 'true' }
    const server = await nbdServer({ listenOn, exports: { disk: settings } })
    return { server, stored: () => readFileSync(image) }
  },
}

export const kindsOfServer: readonly KindOfServer[] = [
  nbdkitMemory('host'),
  nbdkitMemory('newest'),
  qemuNbdRaw('host'),
  qemuNbdRaw('newest'),
  nbdServerFile,
]
