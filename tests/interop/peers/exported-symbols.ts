import { readFileSync } from 'node:fs'

/** Offsets and values of `<elf.h>` for 64-bit little-endian files. */
const SECTION_HEADERS_AT = 0x28
const SECTION_HEADER_LENGTH_AT = 0x3a
const SECTION_COUNT_AT = 0x3c
const SHT_DYNSYM = 11
const SYMBOL_LENGTH = 24
/** The section number of an undefined symbol. */
const SHN_UNDEF = 0

/**
 * Returns the names that a shared library exports, sorted (elf(5)).
 *
 * @throws {Error} The file is no 64-bit little-endian ELF file.
 */
export const exportedSymbols = (path: string): readonly string[] => {
  const file = readFileSync(path)
  if (file.toString('latin1', 0, 6) !== '\x7fELF\x02\x01')
    throw new Error(`${path}: expected a 64-bit little-endian ELF file`)
  const sections = sectionsOf(file)
  const symbols = sections.find(({ type }) => type === SHT_DYNSYM)
  const names = sections[symbols?.link ?? -1]
  if (symbols === undefined || names === undefined) throw new Error(`${path}: no exported symbols`)
  const found = new Set<string>()
  for (let at = symbols.offset; at < symbols.offset + symbols.length; at += SYMBOL_LENGTH) {
    if (file.readUInt16LE(at + 6) === SHN_UNDEF) continue
    const start = names.offset + file.readUInt32LE(at)
    found.add(file.toString('latin1', start, file.indexOf(0, start)))
  }
  return [...found].sort()
}

interface Section {
  readonly type: number
  readonly offset: number
  readonly length: number
  /** The number of the section with the names of the symbols. */
  readonly link: number
}

const sectionsOf = (file: Buffer): readonly Section[] => {
  const headers = Number(file.readBigUInt64LE(SECTION_HEADERS_AT))
  const headerLength = file.readUInt16LE(SECTION_HEADER_LENGTH_AT)
  return Array.from({ length: file.readUInt16LE(SECTION_COUNT_AT) }, (_, index) => {
    const header = headers + index * headerLength
    return {
      type: file.readUInt32LE(header + 4),
      offset: Number(file.readBigUInt64LE(header + 0x18)),
      length: Number(file.readBigUInt64LE(header + 0x20)),
      link: file.readUInt32LE(header + 0x28),
    }
  })
}
