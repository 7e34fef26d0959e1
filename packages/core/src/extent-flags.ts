/** Names of widely used meta contexts. */
export const MetaContextName = {
  /** The allocation status ("`base:allocation` metadata context"): {@link ExtentFlag.Hole} and {@link ExtentFlag.Zero}. */
  BaseAllocation: 'base:allocation',
  /** The prefix of qemu's dirty bitmaps, followed by the name of a bitmap: {@link ExtentFlag.Dirty}. */
  QemuDirtyBitmap: 'qemu:dirty-bitmap:',
  /** qemu's allocation depth: the flags are a number, the depth of the data in the chain of backing files. */
  QemuAllocationDepth: 'qemu:allocation-depth',
} as const

/**
 * Bits in the flags of an extent. Their meaning depends on the meta context.
 *
 * @example
 * ```ts
 * const map = await nbd.blockStatus(length, 0, { contexts: [MetaContextName.BaseAllocation] })
 * for (const { offset, length, flags } of map.get(MetaContextName.BaseAllocation) ?? []) {
 *   if (!(flags & ExtentFlag.Zero)) await nbd.pread(length, offset)
 * }
 * ```
 */
export const ExtentFlag = {
  /**
   * `base:allocation`: not allocated. A write may fail for lack of space. It does not mean that the bytes read as zeroes:
   * that is {@link ExtentFlag.Zero}.
   */
  Hole: 0x1n,
  /** `base:allocation`: reads as zeroes. The only flag that decides whether bytes need not be read. */
  Zero: 0x2n,
  /** `qemu:dirty-bitmap:*`: written since the bitmap was created. */
  Dirty: 0x1n,
} as const

const allocation = ['data', 'hole', 'zero', 'hole,zero']
const dirtiness = ['clean', 'dirty']
const depth = ['absent', 'local']

/**
 * Describes the status of an extent in a word, as nbdinfo(1) prints it.
 *
 * @param context The name of the meta context.
 * @param flags The flags of the extent.
 * @returns For example `data` or `hole,zero`; `undefined` if the context or the flags are unknown.
 */
export function describeExtentFlags(context: string, flags: number | bigint): string | undefined {
  const value = Number(flags)
  // "`base:allocation` metadata context": clients ignore flags that they do not know.
  if (context === MetaContextName.BaseAllocation) return allocation[Number(BigInt(flags) & 3n)]
  if (context.startsWith(MetaContextName.QemuDirtyBitmap)) return dirtiness[value]
  if (context === MetaContextName.QemuAllocationDepth) return depth[value] ?? `backing depth ${flags}`
  return undefined
}
