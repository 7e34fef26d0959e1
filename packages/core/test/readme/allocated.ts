import { type Extent, ExtentFlag, type Handle, MetaContextName } from '@nbdjs/core'

/** The extents within `length` bytes at `offset` that must be read. Needs `metaContexts: ['base:allocation']`. */
export async function allocated(nbd: Handle, length: bigint, offset: bigint): Promise<readonly Extent[]> {
  const map = await nbd.blockStatus(length, offset, { contexts: [MetaContextName.BaseAllocation] })
  const extents = map.get(MetaContextName.BaseAllocation) ?? []
  return extents.filter(({ flags }) => !(flags & ExtentFlag.Zero))
}
