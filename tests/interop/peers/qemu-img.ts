import { type ClientRun, runClient } from './client-peer.js'
import type { Installation } from './installation.js'

/** Runs a command of qemu-img(1): `info`, `convert`, `compare`. */
export const qemuImg = (installation: Installation, ...args: readonly string[]): Promise<ClientRun> =>
  runClient('qemu-img', installation, args)
