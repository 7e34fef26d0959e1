import { quote } from '../quote.js'

/** Other protocols that greet, or that answer a client which they do not understand. */
const protocols: readonly { readonly start: RegExp; readonly server: string }[] = [
  { start: /^SSH-/, server: 'an SSH server' },
  { start: /^(HTTP\/\d|<(!doctype|html|\?xml))/i, server: 'an HTTP server' },
  { start: /^RFB \d/, server: 'a VNC server' },
  { start: /^\{"QMP"/, server: 'a QEMU monitor' },
  { start: /^220[ -]/, server: 'an SMTP or FTP server' },
  { start: /^(\+OK|\* OK)/, server: 'a mail server' },
]

/** What a server sent that is no greeting of NBD. */
export interface ForeignGreeting {
  /** The bytes: as text in quotes if they are printable, else in hexadecimal. */
  readonly text: string
  /** What the server may be, and what to do about it. */
  readonly hint: string
}

/**
 * Recognises the server by the first bytes that it sent.
 *
 * @param bytes At least 1.
 */
export function describeForeignGreeting(bytes: Uint8Array): ForeignGreeting {
  const characters = String.fromCharCode(...bytes)
  const text = isText(bytes) ? quote(characters) : hexBytes(bytes)
  return { text, hint: isTlsRecord(bytes) ? tlsHint : hintOf(characters) }
}

const MAGIC = 'NBDMAGIC'

/** Whether these bytes, which may be none, can be the beginning of a greeting of NBD. */
export function isGreetingStart(bytes: Uint8Array): boolean {
  const start = bytes.subarray(0, MAGIC.length)
  return start.every((byte, at) => byte === MAGIC.charCodeAt(at))
}

const tlsHint =
  'the server speaks TLS from the first byte, while NBD begins in plaintext: check the port, or leave out the TLS proxy'

/** An alert or a handshake record of TLS 1.0 or newer (RFC 8446, "Record Layer"). */
function isTlsRecord([type, major]: Uint8Array): boolean {
  return (type === 0x15 || type === 0x16) && major === 3
}

function hintOf(characters: string): string {
  const found = protocols.find(({ start }) => start.test(characters))
  return `this is ${found?.server ?? 'not an NBD server'}: check the address and the port`
}

/** ASCII without controls other than tabs and line ends. */
function isText(bytes: Uint8Array): boolean {
  return bytes.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 9 || byte === 10 || byte === 13)
}

/** `15 03 03 00 02` */
function hexBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}
