import { describe } from '@jest/globals'

/** For what is made of Linux's own system calls; on another system it is shown as skipped. */
export const describeOnLinux: typeof describe | typeof describe.skip =
  process.platform === 'linux' ? describe : describe.skip
