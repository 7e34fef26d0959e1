import { describe } from '@jest/globals'

/** For tests of Linux system calls; on another system they are skipped. */
export const describeOnLinux: typeof describe | typeof describe.skip =
  process.platform === 'linux' ? describe : describe.skip
