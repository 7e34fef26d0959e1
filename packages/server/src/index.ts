export {
  type Awaitable,
  type Backend,
  type BackendWriteOptions,
  type BackendZeroOptions,
  type BlockSizeConstraints,
  type Extents,
  type Hole,
  type MetaContextSource,
  type Offset,
  type RangeLength,
  type ReadData,
  type ReadPart,
  type ReadResult,
  type ReleasableRead,
  ZERO_COPY_THRESHOLD,
} from './backend/backend.js'
export { ExportError, type ExportErrorOptions } from './backend/export-error.js'
export { type MemoryBackend, type MemoryBackendOptions, memoryBackend } from './backend/memory-backend.js'
export type { Fault } from './faults/fault.js'
export type {
  ListeningTcpAddress,
  ListeningUnixAddress,
  TcpListenOptions,
  UnixListenOptions,
} from './listen/listener.js'
export type {
  ServerClient,
  ServerFeatures,
  ServerLimits,
  ServerOptions,
  ServerTimeouts,
  TlsMode,
} from './options.js'
export { Server } from './server.js'
