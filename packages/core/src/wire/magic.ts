/** The magic numbers of the protocol, with the section of the specification that defines each. */
export const Magic = {
  /** First word of every greeting ("Oldstyle negotiation"). ASCII `NBDMAGIC`. */
  Init: 0x4e42444d41474943n,
  /** Second word of an oldstyle greeting ("Oldstyle negotiation"). */
  Oldstyle: 0x00420281861253n,
  /** Second word of a newstyle greeting, and head of every option ("Newstyle negotiation"). ASCII `IHAVEOPT`. */
  Option: 0x49484156454f5054n,
  /** Head of every option reply ("Fixed newstyle negotiation"). */
  OptionReply: 0x0003e889045565a9n,
  /** Head of a request ("Request message"). */
  Request: 0x25609513,
  /** Head of a simple reply ("Simple reply message"). */
  SimpleReply: 0x67446698,
  /** Head of a structured reply chunk ("Structured reply chunk message"). */
  StructuredReply: 0x668e33ef,
  /** Head of a request with extended headers ("Reserved Magic values"). */
  ExtendedRequest: 0x21e41c71,
  /** Head of a reply chunk with extended headers ("Reserved Magic values"). */
  ExtendedReply: 0x6e8a278c,
} as const
