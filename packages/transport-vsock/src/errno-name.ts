import { constants } from 'node:os'
import type { Errno } from '@nbdjs/core'

const names = new Map<number, string>()
for (const [name, code] of Object.entries(constants.errno)) {
  // EAGAIN and ENOTSUP have second names on Linux, which come later in the list.
  if (!names.has(code)) names.set(code, name)
}

/** The name in `errno.h` of a positive error number of this system: 111 is `ECONNREFUSED` on Linux. */
export function errnoName(code: number): Errno {
  return names.get(code) ?? `errno ${code}`
}
