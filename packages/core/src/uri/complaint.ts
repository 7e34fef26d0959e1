import { type Errno, NbdUsageError } from '../errors.js'
import { quote } from './quote.js'

/** What is wrong with a value. */
export interface Complaint {
  /** What would be right: `a whole number from 1 to 65535`. */
  readonly expected: string
  /** Default: the value itself. */
  readonly received?: string
  /** Default: EINVAL. */
  readonly errno?: Errno
}

/** The error that says it: `formatUri: port: expected a whole number from 1 to 65535, received 70000`. */
export function complaintError(where: string, value: unknown, complaint: Complaint): NbdUsageError {
  const { expected, received = quote(value), errno } = complaint
  return new NbdUsageError(`${where}: expected ${expected}, received ${received}`, { errno })
}
