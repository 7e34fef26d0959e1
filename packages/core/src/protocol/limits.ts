/** How much a peer, or a caller in a hurry, can make a handle hold. */
export interface Limits {
  /**
   * Commands on their way at once; more wait in line. Servers work on a few dozen at a time, the rest hides
   * the latency of the network. Default 1024.
   */
  readonly inFlightCommands: number
  /**
   * Payload bytes on their way at once, in both directions together. One command may be larger: it goes
   * alone. Default 64 MiB.
   */
  readonly inFlightBytes: number
  /**
   * Bytes in one option reply. The longest that the specification needs is a little over 8 KiB: a name and a
   * description of 4096 bytes each. Default 1 MiB.
   */
  readonly optionReplyBytes: number
  /**
   * Bytes in all replies to one option together. Default 64 MiB: `listEntries` exports with names and descriptions of
   * 3 KiB each.
   */
  readonly optionTotalBytes: number
  /**
   * Replies to one option: the exports of NBD_OPT_LIST, the contexts of NBD_OPT_LIST_META_CONTEXT and
   * NBD_OPT_SET_META_CONTEXT, the NBD_REP_INFO of NBD_OPT_INFO and NBD_OPT_GO. Default 10,000.
   */
  readonly listEntries: number
  /**
   * Extents that one `blockStatus` holds, all of its contexts together, each of some 100 bytes. Where a server tells of
   * more, the rest is asked for again as if it had not. Default 262,144.
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
