import type { ExportInfo } from '../../src/protocol/export-info.js'
import type { Command } from '../../src/protocol/transmission/command.js'
import { viewOf } from '../../src/wire/bytes.js'
import { Cmd, cmdName, Magic, Opt, optName } from '../../src/wire/constants.js'
import { decodeInfoRequest, decodeOptionHeader, OPTION_HEADER_LENGTH } from '../../src/wire/option-request.js'
import { decodeRequest, REQUEST_LENGTH } from '../../src/wire/request.js'
import type { Play } from './protocol-harness.js'

/** What came out of a protocol, in words. */
export interface Transcript {
  readonly phases: readonly string[]
  /** The actions of the driver on the connection. */
  readonly ends: readonly string[]
  readonly outcomes: readonly string[]
  readonly sent: readonly string[]
  readonly settled: readonly string[]
}

export function transcript(play: Play): Transcript {
  const names = new Map(play.commands.map((command, index) => [command, 'abcdefghijkl'[index] as string]))
  return {
    phases: play.phases,
    ends: play.events.flatMap((event) =>
      event.kind === 'close' || event.kind === 'destroy' ? [event.kind] : [],
    ),
    outcomes: play.outcomes.map(describeOutcome),
    sent: sentBy(play),
    settled: play.settled.map((command) => `${names.get(command)}: ${describeCommand(command)}`),
  }
}

function describeOutcome(outcome: unknown): string {
  if (outcome instanceof Error) return `${outcome.name}: ${outcome.message}`
  if (typeof outcome === 'object' && outcome !== null && 'size' in outcome)
    return describeInfo(outcome as ExportInfo)
  return JSON.stringify(outcome) ?? 'undefined'
}

function describeInfo({ name, size, canonicalName, description, blockSize }: ExportInfo): string {
  return JSON.stringify([name, String(size), canonicalName ?? 0, description ?? 0, blockSize.preferred])
}

/** What became of a command: its error, or the data that was read. */
function describeCommand({ error, type, destination }: Command): string {
  if (error !== undefined) return `${error.name}: ${error.message}`
  return type === Cmd.Read ? `read ${digest(destination ?? new Uint8Array(0))}` : 'done'
}

/** Short bytes whole, long ones by length and a sum that depends on every place. */
export function digest(bytes: Uint8Array): string {
  if (bytes.length <= 40) return hexOf(bytes)
  let sum = 7
  for (const octet of bytes) sum = (sum * 31 + octet) % 16_777_213
  return `${bytes.length} bytes #${sum}`
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join(' ')
}

/** The messages of the client, one by one: its flags, its options, its requests. */
function sentBy({ output, protocol }: Play): string[] {
  const messages: string[] = []
  let at = 0
  if (output.length > 0 && protocol.session.protocol !== 'oldstyle') {
    messages.push(`flags ${viewOf(output).getUint32(0)}`)
    at = 4
  }
  while (at < output.length) {
    const { message, length } = messageAt(output.subarray(at))
    messages.push(message)
    at += length
  }
  return messages
}

function messageAt(bytes: Uint8Array): { message: string; length: number } {
  return viewOf(bytes).getBigUint64(0) === Magic.Option ? optionAt(bytes) : requestAt(bytes)
}

function optionAt(bytes: Uint8Array): { message: string; length: number } {
  const { option, length } = decodeOptionHeader(bytes)
  const data = bytes.subarray(OPTION_HEADER_LENGTH, OPTION_HEADER_LENGTH + length)
  const isInfo = option === Opt.Go || option === Opt.Info
  const said = isInfo ? JSON.stringify(decodeInfoRequest(data, option)) : new TextDecoder().decode(data)
  return { message: `${optName(option)} ${said}`.trim(), length: OPTION_HEADER_LENGTH + length }
}

function requestAt(bytes: Uint8Array): { message: string; length: number } {
  const request = decodeRequest(viewOf(bytes), 0)
  if (request === undefined) throw new Error(`not a request: ${hexOf(bytes.subarray(0, 28))}`)
  const { type, flags, cookieHigh, cookieLow, offset, length } = request
  const dataLength = type === Cmd.Write ? length : 0
  const data =
    dataLength === 0 ? '' : ` ${digest(bytes.subarray(REQUEST_LENGTH, REQUEST_LENGTH + dataLength))}`
  return {
    message: `${cmdName(type)} ${flags} ${cookieHigh}/${cookieLow} ${length}@${offset}${data}`,
    length: REQUEST_LENGTH + dataLength,
  }
}
