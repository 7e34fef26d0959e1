/** A message that is about to be sent, whole. */
export type OutgoingMessage = {
  /** The bytes as they would be sent, from the magic to the last byte of the payload. */
  readonly bytes: Uint8Array
  /** How many messages the connection sent before. */
  readonly index: number
} & MessageHead

/** What kind of message it is, with what its header tells. */
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
      /** Where its payload begins, which tells extended headers from others. */
      readonly headerLength: number
    }

/** What a fault can do. */
export interface FaultLink {
  /** Sends a message: by way of the next fault, at last to the client. At any time, any number of times. */
  send(message: OutgoingMessage): void
  /** Closes the connection once what was sent is flushed. */
  close(): void
  /** Resets the connection. */
  destroy(): void
}

/** A fault at work on one connection. */
export interface ActiveFault {
  /** Gets every message of the connection, and sends it on, or something else, or nothing, now or later. */
  message(message: OutgoingMessage): void
  /** The session closes the connection: what was held back must be sent now. It waits for the promise. */
  end?(): void | Promise<void>
}

/** A way for a server to misbehave. Called once for every connection. */
export type Fault = (link: FaultLink) => ActiveFault

/** Which messages a fault is about. */
export type MessageFilter = (message: OutgoingMessage) => boolean
