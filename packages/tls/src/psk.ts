/** Pre-shared keys: RFC 4279, RFC 8446 ("Pre-Shared Key Extension"). */
import { readFileSync } from 'node:fs'
import { NbdUsageError } from '@nbdjs/core'
import { misuse, unreadable } from './misuse.js'

export interface Psk {
  /** Who the client is: the identity that goes with the key. */
  readonly username: string
  /** The key itself, in bytes. */
  readonly key: Uint8Array
}

/**
 * The suites for pre-shared keys, the first choice first, and none that would be content with a certificate in TLS
 * 1.2. Of TLS 1.3 AES comes first: left alone OpenSSL takes ChaCha20, at less than half the speed.
 */
export const pskCiphers: string = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  // Those of TLS 1.2: forward secrecy first.
  'DHE-PSK-AES128-GCM-SHA256',
  'DHE-PSK-AES256-GCM-SHA384',
  'ECDHE-PSK-CHACHA20-POLY1305',
  'ECDHE-PSK-AES128-CBC-SHA256',
  'ECDHE-PSK-AES256-CBC-SHA384',
  'PSK-AES128-GCM-SHA256',
  'PSK-AES256-GCM-SHA384',
].join(':')

export function checkPsk(where: string, psk: unknown): asserts psk is Psk {
  if (typeof psk !== 'object' || psk === null) throw misuse(where, '{ username, key }', psk)
  const { username, key } = psk as Partial<Psk>
  if (typeof username !== 'string' || username === '')
    throw misuse(`${where}.username`, 'a string that is not empty', username)
  if (!(key instanceof Uint8Array) || key.length === 0)
    throw misuse(`${where}.key`, 'bytes, one or more', key)
}

/** A file of psktool(1): one `username:key` a line, the key in hexadecimal. */
export class PskFile {
  readonly #where: string
  readonly #path: string
  readonly #lines: ReadonlyMap<string, { readonly number: number; readonly key: string }>

  /** `where` begins the messages of its errors. None of them shows a line of the file, for each is a secret. */
  constructor(where: string, path: string) {
    this.#where = where
    this.#path = path
    const lines = new Map<string, { readonly number: number; readonly key: string }>()
    for (const [index, line] of this.#read().split('\n').entries()) {
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

  /** Throws a NbdUsageError for a user that is not in the file, and for a key that is no key. */
  keyOf(username: string): Uint8Array {
    const line = this.#lines.get(username)
    if (line === undefined) {
      throw new NbdUsageError(
        `${this.#where}: ${this.#path} has no key for the user ${JSON.stringify(username)}`,
      )
    }
    const { key, number } = line
    if (!/^([0-9a-f]{2})+$/i.test(key)) {
      throw new NbdUsageError(
        `${this.#where}: ${this.#path}, line ${number}: expected username:key with the key in hexadecimal digits`,
      )
    }
    return Buffer.from(key, 'hex')
  }

  #read(): string {
    try {
      return readFileSync(this.#path, 'utf8')
    } catch (error) {
      throw unreadable(this.#where, this.#path, error)
    }
  }
}
