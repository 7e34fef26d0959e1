/** A complete message that is about to be sent. */
export type OutgoingMessage = {
  /** The bytes, from the magic to the last byte of the payload. */
  readonly bytes: Uint8Array
  /** The number of messages that the connection sent before. */
  readonly index: number
} & MessageHead

/** The kind of a message, and the content of its header. */
export type MessageHead =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'exportNameReply' }
  | { readonly kind: 'optionReply'; readonly option: number; readonly reply: number }
  | { readonly kind: 'simpleReply'; readonly cookie: bigint; readonly error: number }
  | {
      readonly kind: 'chunk'
      readonly cookie: bigint
      readonly type: number
      readonly flags: number
      /** The position of the payload: 20 in structured replies, 32 with extended headers. */
      readonly headerLength: number
    }

/** What a fault can do to a connection. */
export interface FaultLink {
  /** Passes a message to the next fault, the last one to the client. May be called at any time, any number of times. */
  send(message: OutgoingMessage): void
  /** Closes the connection once everything that was sent is flushed. */
  close(): void
  /** Resets the connection. */
  destroy(): void
}

/** A fault of one connection. */
export interface ActiveFault {
  /** Receives every message of the connection. It may send it, another one or none, now or later. */
  message(message: OutgoingMessage): void
  /** Called before the connection is closed: messages that were held back must be sent now. A promise is awaited. */
  end?(): void | Promise<void>
}

/**
 * A fault of a server, for tests of clients. Called once for each connection.
 *
 * @example
 * ```ts
 * const twice: Fault = (link) => ({
 *   message(message) {
 *     link.send(message)
 *     if (message.kind === 'simpleReply') link.send(message)
 *   },
 * })
 * ```
 */
export type Fault = (link: FaultLink) => ActiveFault

/** Selects messages. */
export type MessageFilter = (message: OutgoingMessage) => boolean
