import type { NbdUsageError } from '../errors.js'
import { type Complaint, complaintError } from './complaint.js'
import { quote } from './quote.js'

/** How much of a URI an error shows, at most. */
const excerptLength = 160

/** A piece of a URI that knows its place, so that an error can show it. */
export class UriPart {
  /** What it is: `port`. */
  readonly name: string
  readonly text: string
  /** Where it begins in the URI. */
  readonly index: number
  readonly #uri: string

  constructor(uri: string, name: string, start: number, end: number) {
    this.#uri = uri
    this.name = name
    this.text = uri.slice(start, end)
    this.index = start
  }

  /** A piece of this piece. */
  part(name: string, start: number, end: number = this.text.length): UriPart {
    return new UriPart(this.#uri, name, this.index + start, this.index + end)
  }

  /** The error that says what is wrong here; not thrown yet. */
  refusal(complaint: Complaint): NbdUsageError {
    const uri = hidePassword(this.#uri)
    const text = uri.slice(this.index, this.index + this.text.length)
    const shown = quote(excerpt(uri, this.index), Number.POSITIVE_INFINITY)
    return complaintError(`invalid NBD URI ${shown}: ${this.name} at index ${this.index}`, text, complaint)
  }
}

/** A URI has no place for a password, yet people give one; RFC 3986, section 3.2.1, wants it not shown. */
function hidePassword(uri: string): string {
  return uri.replace(
    /^([^:/?#]*:\/\/[^:/?#@]*:)([^/?#@]+)(?=@)/,
    (_, before: string, password: string) => before + '*'.repeat(password.length),
  )
}

function excerpt(uri: string, index: number): string {
  if (uri.length <= excerptLength) return uri
  const start = Math.max(0, Math.min(index - excerptLength / 2, uri.length - excerptLength))
  const end = start + excerptLength
  return `${start > 0 ? '...' : ''}${uri.slice(start, end)}${end < uri.length ? '...' : ''}`
}
