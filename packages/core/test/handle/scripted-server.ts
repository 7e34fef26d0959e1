import type { Connection, Receiver, Transport } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import {
  CLIENT_FLAGS_LENGTH,
  Cmd,
  cmdName,
  decodeClientFlags,
  decodeOptionHeader,
  decodeRequest,
  encodeGreeting,
  encodeInfoExport,
  encodeOptionReply,
  encodeSimpleReply,
  HandshakeFlag,
  OPTION_HEADER_LENGTH,
  Opt,
  optName,
  REQUEST_LENGTH,
  Rep,
  type Request,
  TransmissionFlag,
} from '@nbdjs/core/wire'

/** A request as it came, with the data of a write. */
export interface ReceivedRequest extends Request {
  readonly data: Uint8Array
}

/** The default properties of the export. */
export interface Offer {
  readonly size?: number | bigint
  /** TransmissionFlag bits. */
  readonly flags?: number
  /** Whether it agrees to NBD_OPT_STRUCTURED_REPLY. */
  readonly structuredReplies?: boolean
  /** Data of further NBD_REP_INFO replies. */
  readonly infos?: readonly Uint8Array[]
}

const { HasFlags, SendFlush, SendFua, SendTrim, SendWriteZeroes, SendCache, SendFastZero } = TransmissionFlag
/** A server that can do all that needs no structured replies. */
export const EVERYTHING: number =
  HasFlags | SendFlush | SendFua | SendTrim | SendWriteZeroes | SendCache | SendFastZero
export const SIZE = 1024 * 1024

/**
 * A server that the test controls step by step: `request()` waits for the client's next request and fails
 * the test if it is another one, `answer()` replies to it. It plays no part by itself.
 */
export class ScriptedServer implements Receiver {
  /** Accepts one connection and rejects a second dial. */
  readonly transport: Transport
  /** Bytes that the client has sent so far. */
  bytesFromClient = 0
  /** How the connection ended, once it has. */
  end: { readonly error: Error | undefined } | undefined

  #connection: Connection | undefined
  readonly #view = new Uint8Array(64 * 1024)
  /** What came and was not read, as it came. */
  #inbox: Uint8Array[] = []
  #inboxLength = 0
  #hasClientEnded = false
  #wake: () => void = () => {}

  constructor() {
    this.transport = inProcess((connection) => this.accept(connection))
  }

  /** Takes the server's end of a connection. */
  accept(connection: Connection): void {
    if (this.#connection !== undefined) throw new Error('one connection only')
    this.#connection = connection
    connection.start(this)
    this.#wake()
  }

  /** Waits for the dial. */
  async dialled(): Promise<void> {
    while (this.#connection === undefined) await this.#change()
  }

  // --- steps ---------------------------------------------------------------------------------------------

  /** Greets, and returns the client's flags (HandshakeFlag). */
  async greet(flags: number = HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes): Promise<number> {
    await this.dialled()
    this.send(encodeGreeting(flags))
    return decodeClientFlags(await this.read(CLIENT_FLAGS_LENGTH, 'client flags'))
  }

  /** Waits for an option, which must be this one. Returns its data. */
  async option(expected: number): Promise<Uint8Array> {
    const { option, data } = await this.nextOption()
    if (option !== expected) throw new Error(`expected ${optName(expected)}, received ${optName(option)}`)
    return data
  }

  async nextOption(): Promise<{ readonly option: number; readonly data: Uint8Array }> {
    const { option, length } = decodeOptionHeader(await this.read(OPTION_HEADER_LENGTH, 'an option'))
    return { option, data: await this.read(length, `the data of ${optName(option)}`) }
  }

  reply(option: number, reply: number, data?: Uint8Array): void {
    this.send(encodeOptionReply(option, reply, data))
  }

  /** Answers NBD_OPT_INFO or NBD_OPT_GO in full. */
  grant(option: typeof Opt.Info | typeof Opt.Go, offer: Offer = {}): void {
    const { size = SIZE, flags = EVERYTHING, infos = [] } = offer
    this.reply(option, Rep.Info, encodeInfoExport({ size, transmissionFlags: flags }))
    for (const info of infos) this.reply(option, Rep.Info, info)
    this.reply(option, Rep.Ack)
  }

  /** Waits for NBD_OPT_EXTENDED_HEADERS, and does not know it. */
  async refuseExtendedHeaders(): Promise<void> {
    await this.option(Opt.ExtendedHeaders)
    this.reply(Opt.ExtendedHeaders, Rep.ErrUnsup)
  }

  /** From the greeting to the answer to NBD_OPT_STRUCTURED_REPLY: all that opt mode does of itself. */
  async open({ structuredReplies = false }: Offer = {}): Promise<void> {
    await this.greet()
    await this.refuseExtendedHeaders()
    await this.option(Opt.StructuredReply)
    this.reply(Opt.StructuredReply, structuredReplies ? Rep.Ack : Rep.ErrUnsup)
  }

  /** The whole handshake. */
  async handshake(offer: Offer = {}): Promise<void> {
    await this.open(offer)
    await this.option(Opt.Go)
    this.grant(Opt.Go, offer)
  }

  /** Waits for a request, which must be this one. */
  async request(type: Cmd, expected: Partial<ReceivedRequest> = {}): Promise<ReceivedRequest> {
    const request = await this.nextRequest()
    if (request.type !== type) {
      throw new Error(`expected ${cmdName(type)}, received ${cmdName(request.type)}`)
    }
    for (const [name, value] of Object.entries(expected)) {
      const received = request[name as keyof Request]
      if (received !== value)
        throw new Error(`${cmdName(type)}: expected ${name} ${value}, received ${received}`)
    }
    return request
  }

  async nextRequest(): Promise<ReceivedRequest> {
    const header = await this.read(REQUEST_LENGTH, 'a request')
    const request = decodeRequest(new DataView(header.buffer, header.byteOffset), 0)
    if (request === undefined) throw new Error('expected a request, received something else')
    const length = request.type === Cmd.Write ? request.length : 0
    return { ...request, data: await this.read(length, 'the data of NBD_CMD_WRITE') }
  }

  /** A simple reply, with the data of a read. */
  answer(request: Request, data: Uint8Array = new Uint8Array(0)): void {
    this.send(encodeSimpleReply(request, 0), data)
  }

  /** A simple reply with an error (ErrorValue). */
  refuse(request: Request, error: number): void {
    this.send(encodeSimpleReply(request, error))
  }

  /** Waits for the disconnect of the client and closes too. */
  async farewell(): Promise<void> {
    await this.request(Cmd.Disc, { flags: 0, offset: 0, length: 0 })
    await this.hangUp()
  }

  // --- bytes ---------------------------------------------------------------------------------------------

  send(...chunks: readonly Uint8Array[]): void {
    this.#connected().write(chunks)
  }

  /** The next bytes that the client sends. `what` they are goes into the error when they never come. */
  async read(length: number, what = `${length} bytes`): Promise<Uint8Array> {
    while (this.#inboxLength < length) {
      if (this.#hasClientEnded || this.end !== undefined) throw new Error(`expected ${what}, the client left`)
      await this.#change()
    }
    return this.#take(length)
  }

  /** Closes this side in order, and waits for the client's. */
  async hangUp(): Promise<void> {
    await this.#connected().close()
  }

  /** Closes this side in order, as when the server's program ends. */
  endOfFile(): void {
    void this.#connected().close()
  }

  /** Breaks the connection. */
  reset(): void {
    this.#connected().destroy()
  }

  /** Waits until the client has half-closed or broken the connection. No byte may have come that was not read. */
  async clientLeft(): Promise<void> {
    while (!this.#hasClientEnded && this.end === undefined) await this.#change()
    if (this.#inboxLength > 0) throw new Error(`the client left with ${this.#inboxLength} bytes unread`)
  }

  /** Waits until the connection is gone. */
  async disconnected(): Promise<void> {
    while (this.end === undefined) await this.#change()
  }

  // --- Receiver ------------------------------------------------------------------------------------------

  buffer(): Uint8Array {
    return this.#view
  }

  received(count: number): void {
    this.bytesFromClient += count
    this.#inbox.push(this.#view.slice(0, count))
    this.#inboxLength += count
    this.#wake()
  }

  drained(): void {}

  ended(): void {
    this.#hasClientEnded = true
    this.#wake()
  }

  closed(error?: Error): void {
    this.end = { error }
    this.#wake()
  }

  // --- within --------------------------------------------------------------------------------------------

  #connected(): Connection {
    if (this.#connection === undefined) throw new Error('nobody has dialled yet')
    return this.#connection
  }

  #take(length: number): Uint8Array {
    const taken = new Uint8Array(length)
    let done = 0
    while (done < length) {
      const chunk = this.#inbox[0] as Uint8Array
      const piece = chunk.subarray(0, length - done)
      taken.set(piece, done)
      done += piece.length
      if (piece.length === chunk.length) this.#inbox.shift()
      else this.#inbox[0] = chunk.subarray(piece.length)
    }
    this.#inboxLength -= length
    return taken
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
