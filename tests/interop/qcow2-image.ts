import { join } from 'node:path'
import { connect, type Handle } from '@nbdjs/core'
import type { Installation } from './peers/installation.js'
import { qemuImg } from './peers/qemu-img.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import { scratchFolder } from './peers/scratch.js'
import { transportTo } from './transport-to.js'

/** Makes a qcow2 image, empty or with a backing file. */
export const qcow2Image = async (
  installation: Installation,
  source: { readonly size: number } | { readonly backing: string },
): Promise<string> => {
  const image = join(scratchFolder(), 'disk.qcow2')
  const options =
    'size' in source ? [image, String(source.size)] : ['-b', source.backing, '-F', 'qcow2', image]
  await qemuImg(installation, 'create', '-q', '-f', 'qcow2', ...options)
  return image
}

/** Starts a qemu-nbd for a qcow2 image, writes to it, and stops it. */
export const changeImage = async (
  installation: Installation,
  image: string,
  change: (nbd: Handle) => Promise<void>,
): Promise<void> => {
  const options = ['--discard=unmap', '--detect-zeroes=off']
  const server = await qemuNbd({ installation, image, format: 'qcow2', options })
  const nbd = await connect(transportTo(server))
  await change(nbd)
  await nbd.flush()
  await nbd.shutdown()
  await server.stop()
}
