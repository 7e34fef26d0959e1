/** Names of meta contexts that are widely served. */
export const Context = {
  /** "`base:allocation` metadata context": {@link ExtentFlag.Hole} and {@link ExtentFlag.Zero}. */
  BaseAllocation: 'base:allocation',
  /** qemu's: followed by the name of a bitmap; {@link ExtentFlag.Dirty}. */
  QemuDirtyBitmap: 'qemu:dirty-bitmap:',
  /** qemu's: the flags are a number, how deep in the chain of backing files the data lies. */
  QemuAllocationDepth: 'qemu:allocation-depth',
} as const

/** Bits in the flags of an extent. What they mean depends on its context. */
export const ExtentFlag = {
  /** `base:allocation`: not allocated; writing may fail for want of space. */
  Hole: 0x1,
  /** `base:allocation`: reads as zeroes. */
  Zero: 0x2,
  /** `qemu:dirty-bitmap:*`: written to since the bitmap was made. */
  Dirty: 0x1,
} as const

const allocation = ['data', 'hole', 'zero', 'hole,zero']
const dirtiness = ['clean', 'dirty']
const depth = ['absent', 'local']

/** The status of an extent in a word, as nbdinfo(1) prints it; undefined where the context or the flags are unknown. */
export function describeFlags(context: string, flags: number | bigint): string | undefined {
  const value = Number(flags)
  // "`base:allocation` metadata context": clients ignore flags that they do not know.
  if (context === Context.BaseAllocation) return allocation[Number(BigInt(flags) & 3n)]
  if (context.startsWith(Context.QemuDirtyBitmap)) return dirtiness[value]
  if (context === Context.QemuAllocationDepth) return depth[value] ?? `backing depth ${flags}`
  return undefined
}
