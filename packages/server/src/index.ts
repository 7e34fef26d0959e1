export {
  type Awaitable,
  type Backend,
  type BlockSizeConstraints,
  type Extents,
  type Hole,
  LENT_FROM,
  type MetaContextSource,
  type Offset,
  type RangeLength,
  type ReadPart,
  type ReadResult,
  type WriteOptions,
  type ZeroOptions,
} from './backend/backend.js'
export { ExportError, type ExportErrorOptions } from './backend/export-error.js'
export { type MemoryBackend, type MemoryBackendOptions, memory } from './backend/memory.js'
export type { Fault } from './faults/fault.js'
export type { TcpAddress, TcpListenOptions, UnixAddress, UnixListenOptions } from './listen/addresses.js'
export type { Client, Features, Limits, ServerOptions, Timeouts, TlsMode } from './options.js'
export { Server } from './server.js'
