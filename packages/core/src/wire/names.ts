/**
 * Builds the reverse of a table of codes: `namesOf('NBD_OPT_', { Go: 7 })(7)` is `'NBD_OPT_GO'`. A code that
 * is not in the table is shown as a number.
 */
export function namesOf(prefix: string, table: Readonly<Record<string, number>>): (code: number) => string {
  const names = new Map(Object.entries(table).map(([key, code]) => [code, prefix + shout(key)]))
  return (code) => names.get(code) ?? `${prefix}? (${code})`
}

/** `BlockStatus` -> `BLOCK_STATUS` */
function shout(key: string): string {
  return key.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()
}
