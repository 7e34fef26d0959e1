import { describeExtentFlags, type Handle } from '@nbdjs/core'
import { extents } from '../../examples/extents.js'
import type { NbdinfoExtent } from './peers/nbdinfo.js'

/** The map of an export in the form of nbdinfo(1). */
export const statusMap = async (nbd: Handle, context: string): Promise<NbdinfoExtent[]> => {
  const map: NbdinfoExtent[] = []
  for await (const list of extents(nbd, context)) {
    for (const { offset, length, flags } of list) {
      const description = describeExtentFlags(context, flags)
      const extent = { offset: Number(offset), length: Number(length), type: Number(flags) }
      map.push(description === undefined ? extent : { ...extent, description })
    }
  }
  return map
}
