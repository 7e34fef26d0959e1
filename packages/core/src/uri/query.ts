import type { UriPart } from './uri-part.js'

/** A parameter as it stands in the query, still encoded. */
export interface QueryParameter {
  readonly name: UriPart
  /** Empty also where there is no `=`. */
  readonly value: UriPart
}

/**
 * The parameters of a query, in order.
 *
 * As libnbd splits them: at each `&`, and at `;` once no `&` follows any more. Empty ones are skipped, and so are
 * those without a name.
 */
export function splitQuery(query: UriPart): readonly QueryParameter[] {
  const found: QueryParameter[] = []
  const { text } = query
  const lastAmpersand = text.lastIndexOf('&')
  for (let start = 0; start < text.length; ) {
    const end = nextSeparator(text, start, lastAmpersand)
    const equals = text.slice(start, end).indexOf('=')
    const nameEnd = equals === -1 ? end : start + equals
    if (nameEnd > start) {
      found.push({
        name: query.part('parameter name', start, nameEnd),
        value: query.part('parameter value', Math.min(nameEnd + 1, end), end),
      })
    }
    start = end + 1
  }
  return found
}

function nextSeparator(text: string, from: number, lastAmpersand: number): number {
  const separator = from <= lastAmpersand ? '&' : ';'
  const index = text.indexOf(separator, from)
  return index === -1 ? text.length : index
}
