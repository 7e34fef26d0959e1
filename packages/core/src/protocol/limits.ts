/** Limits of the memory that a peer or a caller can make a handle use. */
export interface Limits {
  /**
   * Commands in flight. Further ones are queued. Servers process a few dozen at a time; more hide the latency of the network.
   * @default 1024
   */
  readonly inFlightCommands: number
  /**
   * Bytes of payload in flight, both directions together. A larger command is sent alone.
   * @default 67108864 (64 MiB)
   */
  readonly inFlightBytes: number
  /**
   * Bytes of one option reply. The longest that the specification needs has a name and a description of 4096 bytes each.
   * @default 1048576 (1 MiB)
   */
  readonly optionReplyBytes: number
  /**
   * Bytes of all replies to one option together: `listEntries` exports with names and descriptions of 3 KiB each.
   * @default 67108864 (64 MiB)
   */
  readonly optionTotalBytes: number
  /**
   * Replies to one option: the exports of NBD_OPT_LIST, the contexts of NBD_OPT_LIST_META_CONTEXT and
   * NBD_OPT_SET_META_CONTEXT, the NBD_REP_INFO of NBD_OPT_INFO and NBD_OPT_GO.
   * @default 10000
   */
  readonly listEntries: number
  /**
   * Extents in the result of one `blockStatus`, all contexts together, about 100 bytes each. Further extents of the reply are
   * dropped, as if the server had answered for a shorter range.
   * @default 262144
   */
  readonly extents: number
}

export const defaultLimits: Limits = {
  inFlightCommands: 1024,
  inFlightBytes: 64 * 1024 * 1024,
  optionReplyBytes: 1024 * 1024,
  optionTotalBytes: 64 * 1024 * 1024,
  listEntries: 10_000,
  extents: 262_144,
}
