import { percentDecode } from './percent-coding.js'
import type { UriPart } from './uri-part.js'
import type { ValueRule } from './value-rules.js'

/** The value of a piece: decoded, turned into what `read` makes of it, and held against its rule. */
export function decodePart<T = string>(
  part: UriPart,
  rule: ValueRule,
  read: (text: string) => unknown = (text) => text,
): T {
  const text = percentDecode(part.text)
  if (text === undefined) throw part.refusal({ expected: 'percent-encoded UTF-8' })
  return requirePart(part, rule, read(text)) as T
}

/** The value that a piece was found to have, if its rule has no complaint. */
export function requirePart<T>(part: UriPart, rule: ValueRule, value: T): T {
  const complaint = rule(value)
  if (complaint !== undefined) throw part.refusal(complaint)
  return value
}
