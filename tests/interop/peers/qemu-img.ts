import { type ClientRun, runClient } from './client-peer.js'
import type { Installation } from './installation.js'

/** Runs qemu-img(1) with a command of its: `info`, `convert`, `compare`. */
export const qemuImg = (installation: Installation, ...args: readonly string[]): Promise<ClientRun> =>
  runClient('qemu-img', installation, args)
