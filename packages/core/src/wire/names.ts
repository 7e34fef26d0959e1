/**
 * Builds the reverse of a table of codes: `namesOf('NBD_OPT_', { Go: 7 })(7)` is `'NBD_OPT_GO'`. A code that
 * is not in the table is shown as a number.
 */
export function namesOf(prefix: string, table: Readonly<Record<string, number>>): (code: number) => string {
  const names = new Map(Object.entries(table).map(([key, code]) => [code, prefix + shout(key)]))
  return (code) => names.get(code) ?? `${prefix}? (${code})`
}

/**
 * The same for a table of bits: `flagNamesOf({ Fua: 1, NoHole: 2 })(3)` is `'FUA|NO_HOLE'`, and of no bit `'0'`.
 * Bits that are not in the table come last, as one number.
 */
export function flagNamesOf(table: Readonly<Record<string, number>>): (flags: number) => string {
  const names = Object.entries(table).map(([key, bit]) => [bit, shout(key)] as const)
  const known = names.reduce((bits, [bit]) => bits | bit, 0)
  return (flags) => {
    const unknown = (flags & ~known) >>> 0
    const told = names.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)
    if (unknown !== 0) told.push(`0x${unknown.toString(16)}`)
    return told.length === 0 ? '0' : told.join('|')
  }
}

/** `BlockStatus` -> `BLOCK_STATUS` */
function shout(key: string): string {
  return key.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()
}
