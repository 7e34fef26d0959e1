import { commandLine, type Installation } from './installation.js'
import { type Address, type ListenOn, type ServerPeer, startServer } from './server-peer.js'

export interface QemuNbdOptions {
  readonly installation: Installation
  /** The default is a unix socket. */
  readonly listenOn?: ListenOn
  readonly image: string
  /** The format of `image`: `raw` by default; `options` for the syntax of `--image-opts`. */
  readonly format?: 'raw' | 'qcow2' | 'options'
  readonly exportName?: string
  /** Options of qemu-nbd: `--read-only`, `--description=TEXT`. */
  readonly options?: readonly string[]
}

/** Starts qemu-nbd(8). It serves several clients at once and stays after they leave. */
export const qemuNbd = ({
  installation,
  listenOn = 'unix',
  image,
  format = 'raw',
  exportName = '',
  options = [],
}: QemuNbdOptions): Promise<ServerPeer> =>
  startServer(listenOn, {
    commandLine: (address) => [
      ...commandLine('qemu-nbd', installation),
      '--persistent',
      '--shared=0',
      `--export-name=${exportName}`,
      format === 'options' ? '--image-opts' : `--format=${format}`,
      ...listenOptions(address),
      ...options,
      image,
    ],
  })

const listenOptions = (address: Address): readonly string[] =>
  address.kind === 'unix'
    ? [`--socket=${address.socketPath}`]
    : [`--bind=${address.host}`, `--port=${address.port}`]
