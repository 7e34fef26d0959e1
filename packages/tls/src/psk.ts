/** Pre-shared keys: RFC 4279, RFC 8446 ("Pre-Shared Key Extension"). */
import { argumentError, NbdUsageError, quote } from '@nbdjs/core'
import { readOptionFile, securityLevel } from './credentials.js'

/** A key that both sides know, and the name of its owner. */
export interface Psk {
  /** The identity that the client sends with the key. */
  readonly username: string
  /** The key in bytes, at least one. */
  readonly key: Uint8Array
}

/**
 * The suites for pre-shared keys, the first choice first. None for TLS 1.2 accepts a certificate instead of the key. For
 * TLS 1.3 AES comes first: OpenSSL would choose ChaCha20, at less than half the speed.
 */
export const pskCiphers: string = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  // TLS 1.2: forward secrecy first.
  'DHE-PSK-AES128-GCM-SHA256',
  'DHE-PSK-AES256-GCM-SHA384',
  'ECDHE-PSK-CHACHA20-POLY1305',
  'ECDHE-PSK-AES128-CBC-SHA256',
  'ECDHE-PSK-AES256-CBC-SHA384',
  'PSK-AES128-GCM-SHA256',
  'PSK-AES256-GCM-SHA384',
  securityLevel,
].join(':')

/** Throws a NbdUsageError unless it is a {@link Psk}. No message shows a part of it. */
export function checkPsk(call: string, argument: string, psk: unknown): asserts psk is Psk {
  const secret = true
  if (typeof psk !== 'object' || psk === null)
    throw argumentError(call, argument, '{ username, key }', psk, { secret })
  const { username, key } = psk as Partial<Psk>
  if (typeof username !== 'string' || username === '')
    throw argumentError(call, `${argument}.username`, 'a string that is not empty', username)
  if (!(key instanceof Uint8Array) || key.length === 0)
    throw argumentError(call, `${argument}.key`, 'a Uint8Array of at least 1 byte', key, { secret })
}

/** A file of psktool(1): one `username:key` a line, the key in hexadecimal. */
export class PskFile {
  readonly #call: string
  readonly #path: string
  readonly #lines: ReadonlyMap<string, { readonly number: number; readonly key: string }>

  /** Reads the file. `call` begins the messages of its errors; none of them shows a line, because each is a secret. */
  constructor(call: string, path: string) {
    this.#call = call
    this.#path = path
    const lines = new Map<string, { readonly number: number; readonly key: string }>()
    const text = readOptionFile(call, 'pskFile', path).toString('utf8')
    for (const [index, line] of text.split('\n').entries()) {
      const colon = line.lastIndexOf(':')
      const username = line.slice(0, colon)
      // The first line of a user counts.
      if (colon > 0 && !lines.has(username))
        lines.set(username, { number: index + 1, key: line.slice(colon + 1).replace(/\r+$/, '') })
    }
    this.#lines = lines
  }

  get usernames(): readonly string[] {
    return [...this.#lines.keys()]
  }

  /** Throws a NbdUsageError for a user that is not in the file, and for a key that is not hexadecimal. */
  keyOf(username: string): Uint8Array {
    const line = this.#lines.get(username)
    const place = `${this.#call}: pskFile: ${quote(this.#path)}`
    if (line === undefined) throw new NbdUsageError(`${place} has no key for the user ${quote(username)}`)
    const { key, number } = line
    if (/^([0-9a-f]{2})+$/i.test(key)) return Buffer.from(key, 'hex')
    throw new NbdUsageError(
      `${place}, line ${number}: expected username:key with the key in hexadecimal digits`,
    )
  }
}
