import { expect, test } from '@jest/globals'
import { describeExtentFlags, ExtentFlag, MetaContextName } from '@nbdjs/core'

// spec: client/base-allocation/unknown-flags
test.each([
  ['base:allocation', 0, 'data'],
  ['base:allocation', ExtentFlag.Hole, 'hole'],
  ['base:allocation', ExtentFlag.Zero, 'zero'],
  ['base:allocation', ExtentFlag.Hole | ExtentFlag.Zero, 'hole,zero'],
  ['base:allocation', 3n, 'hole,zero'],
  ['base:allocation', 4, 'data'],
  ['base:allocation', 2n ** 60n + 2n, 'zero'],
  [`${MetaContextName.QemuDirtyBitmap}b0`, 0, 'clean'],
  [`${MetaContextName.QemuDirtyBitmap}b0`, ExtentFlag.Dirty, 'dirty'],
  [`${MetaContextName.QemuDirtyBitmap}b0`, 2, undefined],
  [MetaContextName.QemuAllocationDepth, 0, 'absent'],
  [MetaContextName.QemuAllocationDepth, 1, 'local'],
  [MetaContextName.QemuAllocationDepth, 2, 'backing depth 2'],
  ['x-mine:any', 1, undefined],
])('%s %p is %p', (context, flags, word) => {
  expect(describeExtentFlags(context, flags)).toBe(word)
})
