import { type Option, option } from '@nbdjs/core'

/** A complete message that is about to be sent. */
export type OutgoingMessage = {
  /** The bytes, from the magic to the last byte of the payload. */
  readonly bytes: Uint8Array
  /** The number of messages that the connection sent before. */
  readonly index: number
} & MessageHead

/** The kind of a message, and the content of its header. */
export type MessageHead =
  | {
      /** The greeting. */
      readonly kind: 'greeting'
    }
  | {
      /** The reply to NBD_OPT_EXPORT_NAME. */
      readonly kind: 'exportNameReply'
    }
  | {
      /** A reply to another option. */
      readonly kind: 'optionReply'
      /** The option that it answers. */
      readonly option: number
      /** The type of the reply. */
      readonly reply: number
    }
  | {
      /** A simple reply to a command. */
      readonly kind: 'simpleReply'
      /** The cookie of the command. */
      readonly cookie: bigint
      /** The error value, 0 for success. */
      readonly error: number
    }
  | {
      /** A chunk of a structured or extended reply. */
      readonly kind: 'chunk'
      /** The cookie of the command. */
      readonly cookie: bigint
      /** The type of the chunk. */
      readonly type: number
      /** The flags of the chunk. */
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

/** Selects all messages. */
export const everyMessage: MessageFilter = () => true

/** The rule for an argument that is a function. */
export const functionRule: Option<unknown> = option.required(option.function())
