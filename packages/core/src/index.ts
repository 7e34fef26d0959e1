export {
  type ArgumentErrorDetails,
  argumentError,
  type FormatValueOptions,
  formatValue,
  unknownOptionError,
} from './argument-error.js'
export {
  type CheckedOptions,
  checkArgument,
  checkOptions,
  type IntegerBounds,
  type Option,
  type OptionBuilders,
  type OptionShape,
  option,
} from './check-options.js'
export {
  type ConnectUriOptions,
  connectUri,
  type TransportFromUriOptions,
  transportFromUri,
  type UriConnection,
  type UriTransports,
} from './connect-uri.js'
export {
  type Errno,
  NbdClosedError,
  NbdError,
  type NbdErrorCode,
  type NbdErrorDetails,
  NbdNegotiationError,
  type NbdNegotiationErrorDetails,
  NbdProtocolError,
  type NbdProtocolErrorDetails,
  NbdServerError,
  type NbdServerErrorDetails,
  NbdStateError,
  NbdTransportError,
  type NbdTransportErrorDetails,
  NbdUsageError,
} from './errors.js'
export { describeExtentFlags, ExtentFlag, MetaContextName } from './extent-flags.js'
export type { CommandOptions } from './handle/commands.js'
export type {
  BlockStatusOptions,
  ConnectOptions,
  HandleEvents,
  ShutdownOptions,
  SignalOptions,
  StructuredReadOptions,
  WriteOptions,
  ZeroOptions,
} from './handle/handle.js'
export { connect, Handle, negotiate } from './handle/handle.js'
export type { HandleState } from './handle/state.js'
export { onAbort } from './on-abort.js'
export type { HandleOptions, HandshakeFlags, ResolvedOptions, StrictChecks, Timeouts } from './options.js'
export type { BlockSizeInfo, ExportInfo } from './protocol/export-info.js'
export type { Limits } from './protocol/limits.js'
export type { ExportList } from './protocol/negotiation/opt-list.js'
export type { Protocol, SessionInfo, Stats } from './protocol/session.js'
export type {
  Allocate,
  Bytes,
  ReadChunk,
  ReadDataChunk,
  ReadErrorChunk,
  ReadHoleChunk,
} from './protocol/transmission/command.js'
export type { Extent } from './protocol/transmission/extents.js'
export { escapeUnprintable, quote } from './quote.js'
export type { TlsHandover, TlsProvider, UriTls } from './tls.js'
export {
  type Connection,
  type DialOptions,
  deliver,
  type Receiver,
  type TcpAddress,
  type Transport,
  type UnixAddress,
  type UriAddress,
  type VsockAddress,
} from './transport.js'
export type { UriPolicy } from './uri/allow.js'
export { formatUri } from './uri/format.js'
export {
  isUri,
  type NbdTcpUri,
  type NbdTcpUriInit,
  type NbdUnixUri,
  type NbdUnixUriInit,
  type NbdUri,
  type NbdUriCommon,
  type NbdUriInit,
  type NbdUriInitCommon,
  type NbdVsockUri,
  type NbdVsockUriInit,
  type UriParameter,
  type UriScheme,
  type UriTlsParameters,
  type UriTlsType,
  type UriTransport,
} from './uri/nbd-uri.js'
export { parseUri } from './uri/parse.js'
export { toUriAddress } from './uri/rules.js'
export type { ListEntry } from './wire/option-reply.js'
