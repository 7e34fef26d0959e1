/** The values of the error field in a reply ("Error values"). */
export const ErrorValue = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const
export type ErrorName = keyof typeof ErrorValue

const names = new Map<number, ErrorName>(
  Object.entries(ErrorValue).map(([name, value]) => [value, name as ErrorName]),
)

/** "Error values": a value outside of the table counts as EINVAL. */
export function errorName(value: number): ErrorName {
  return names.get(value) ?? 'EINVAL'
}
