import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { scratchFolder } from './scratch.js'

/** Makes a sparse raw image of `size` zeroes. */
export const diskImage = (size: number): string => {
  const image = join(scratchFolder(), 'disk.img')
  writeFileSync(image, '')
  truncateSync(image, size)
  return image
}
