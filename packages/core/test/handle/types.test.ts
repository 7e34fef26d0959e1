import { test } from '@jest/globals'
import {
  type Allocate,
  type BlockStatusOptions,
  type Bytes,
  type CommandOptions,
  type ConnectOptions,
  connect,
  type ExportInfo,
  type ExportList,
  type Extent,
  ExtentFlag,
  Handle,
  type HandleEvents,
  type HandleOptions,
  type HandleState,
  negotiate,
  type ReadChunk,
  type ShutdownOptions,
  type SignalOptions,
  type Stats,
  type StructuredReadOptions,
  type Transport,
  type WriteOptions,
  type ZeroOptions,
} from '@nbdjs/core'
import { expectTypeOf } from 'expect-type'

declare const transport: Transport

// The types are checked when the tests are built; nothing of this runs.
const check = (_: () => unknown): void => {}

test('connect resolves with the export, negotiate with nothing', () => {
  check(() => {
    expectTypeOf(new Handle().connect(transport)).resolves.toEqualTypeOf<ExportInfo>()
    expectTypeOf(new Handle({ exportName: 'x' }).connect(transport, {})).resolves.toEqualTypeOf<ExportInfo>()
    expectTypeOf(new Handle().negotiate(transport)).resolves.toEqualTypeOf<void>()
  })
})

test('connect() and negotiate() resolve with a handle, and have all options in one object', () => {
  expectTypeOf(connect).toEqualTypeOf<(transport: Transport, options?: ConnectOptions) => Promise<Handle>>()
  expectTypeOf(negotiate).toEqualTypeOf<typeof connect>()
  expectTypeOf<keyof ConnectOptions>().toEqualTypeOf<keyof HandleOptions | 'signal' | 'onHandle'>()
})

test('every option may be absent or undefined', () => {
  type Groups = 'handshakeFlags' | 'limits' | 'timeouts'
  expectTypeOf<Record<string, never>>().toExtend<HandleOptions>()
  expectTypeOf<{ readonly [K in keyof HandleOptions]: undefined }>().toExtend<HandleOptions>()
  expectTypeOf<HandleOptions[Groups]>().extract<undefined>().toEqualTypeOf<undefined>()
  expectTypeOf<HandleOptions['strict']>().extract<boolean>().toEqualTypeOf<boolean>()
  expectTypeOf<keyof HandleOptions>().toEqualTypeOf<
    | 'name'
    | 'exportName'
    | 'secretExportName'
    | 'fullInfo'
    | 'requestBlockSize'
    | 'requestStructuredReplies'
    | 'requestExtendedHeaders'
    | 'requestMetaContext'
    | 'metaContexts'
    | 'requireMetaContexts'
    | 'tls'
    | 'tlsProvider'
    | 'handshakeFlags'
    | 'strict'
    | 'limits'
    | 'timeouts'
    | 'allocate'
    | 'uri'
  >()
})

test('commands', () => {
  type Offset = number | bigint
  expectTypeOf<Handle['pread']>().toEqualTypeOf<
    (length: Offset, offset: Offset, options?: CommandOptions) => Promise<Bytes>
  >()
  expectTypeOf<Handle['preadInto']>().toEqualTypeOf<
    (buffer: Uint8Array, offset: Offset, options?: CommandOptions) => Promise<void>
  >()
  expectTypeOf<Handle['pwrite']>().toEqualTypeOf<
    (data: Uint8Array, offset: Offset, options?: WriteOptions) => Promise<void>
  >()
  expectTypeOf<Handle['zero']>().toEqualTypeOf<
    (length: Offset, offset: Offset, options?: ZeroOptions) => Promise<void>
  >()
  expectTypeOf<Handle['trim']>().toEqualTypeOf<
    (length: Offset, offset: Offset, options?: WriteOptions) => Promise<void>
  >()
  expectTypeOf<Handle['cache']>().toEqualTypeOf<
    (length: Offset, offset: Offset, options?: CommandOptions) => Promise<void>
  >()
  expectTypeOf<Handle['flush']>().toEqualTypeOf<(options?: CommandOptions) => Promise<void>>()
  expectTypeOf<Handle['blockStatus']>().toEqualTypeOf<
    (length: Offset, offset: Offset, options?: BlockStatusOptions) => Promise<Map<string, Extent[]>>
  >()
  expectTypeOf<Handle['preadStructured']>().toEqualTypeOf<
    (
      buffer: Uint8Array,
      offset: Offset,
      onChunk: (chunk: ReadChunk) => void,
      options?: StructuredReadOptions,
    ) => Promise<void>
  >()
  expectTypeOf<keyof BlockStatusOptions>().toEqualTypeOf<
    'flags' | 'signal' | 'abort' | 'timeoutMs' | 'contexts' | 'reqOne'
  >()
  expectTypeOf<keyof StructuredReadOptions>().toEqualTypeOf<
    'flags' | 'signal' | 'abort' | 'timeoutMs' | 'df'
  >()
  expectTypeOf<keyof ZeroOptions>().toEqualTypeOf<
    'flags' | 'signal' | 'abort' | 'timeoutMs' | 'fua' | 'noHole' | 'fastZero'
  >()
  expectTypeOf<keyof WriteOptions>().toEqualTypeOf<'flags' | 'signal' | 'abort' | 'timeoutMs' | 'fua'>()
  expectTypeOf<keyof CommandOptions>().toEqualTypeOf<'flags' | 'signal' | 'abort' | 'timeoutMs'>()
})

test('H3: the result of pread can be passed to DOM functions that need an ArrayBuffer', () => {
  expectTypeOf<Bytes>().toEqualTypeOf<Uint8Array<ArrayBuffer>>()
  expectTypeOf<Handle['pread']>().returns.resolves.toEqualTypeOf<Uint8Array<ArrayBuffer>>()
  check(async () => crypto.subtle.digest('SHA-256', await new Handle().pread(512, 0)))
  expectTypeOf<typeof Buffer.allocUnsafeSlow>().toExtend<Allocate>()
})

test('D1: extents, sizes and flags need no conversion', () => {
  expectTypeOf<Extent>().toEqualTypeOf<{
    readonly offset: bigint
    readonly length: bigint
    readonly flags: bigint
  }>()
  check(async () => {
    const nbd = new Handle()
    const map = await nbd.blockStatus(nbd.info.size, 0)
    for (const { offset, length, flags } of map.get('base:allocation') ?? [])
      if (!(flags & ExtentFlag.Zero)) await nbd.pread(length, offset)
    await nbd.zero(nbd.info.size, 0n)
    await nbd.trim(nbd.info.size, 0n)
    await nbd.cache(nbd.info.size, 0n)
    expectTypeOf(ExtentFlag.Hole | ExtentFlag.Zero | ExtentFlag.Dirty).toEqualTypeOf<bigint>()
  })
})

test('negotiation, the end and what is known', () => {
  expectTypeOf<Handle['optGo']>().toEqualTypeOf<(options?: SignalOptions) => Promise<ExportInfo>>()
  expectTypeOf<Handle['optInfo']>().toEqualTypeOf<(options?: SignalOptions) => Promise<ExportInfo>>()
  expectTypeOf<Handle['optList']>().toEqualTypeOf<(options?: SignalOptions) => Promise<ExportList>>()
  expectTypeOf<Handle['optStartTls']>().toEqualTypeOf<(options?: SignalOptions) => Promise<boolean>>()
  expectTypeOf<Handle['optStructuredReply']>().toEqualTypeOf<(options?: SignalOptions) => Promise<boolean>>()
  expectTypeOf<Handle['optAbort']>().toEqualTypeOf<(options?: SignalOptions) => Promise<void>>()
  expectTypeOf<Handle['shutdown']>().toEqualTypeOf<(options?: ShutdownOptions) => Promise<void>>()
  expectTypeOf<Handle['destroy']>().toEqualTypeOf<(reason?: unknown) => void>()
  expectTypeOf<Handle['closed']>().toEqualTypeOf<Promise<void>>()
  expectTypeOf<Handle['state']>().toEqualTypeOf<HandleState>()
  expectTypeOf<Handle['stats']>().toEqualTypeOf<Stats>()
  expectTypeOf<Handle['info']['size']>().toEqualTypeOf<bigint>()
  expectTypeOf<Handle>().toExtend<AsyncDisposable>()
})

test('listeners get the arguments of their event', () => {
  expectTypeOf<HandleEvents['state']>().toEqualTypeOf<[next: HandleState, previous: HandleState]>()
  check(() => {
    const handle = new Handle()
    handle.on('state', (next, previous) => {
      expectTypeOf(next).toEqualTypeOf<HandleState>()
      expectTypeOf(previous).toEqualTypeOf<HandleState>()
    })
    handle.on('debug', (message) => expectTypeOf(message).toEqualTypeOf<string>())
    handle.on('dead', (error) => expectTypeOf(error).toEqualTypeOf<Error>())
    handle.on('close', (...nothing) => expectTypeOf(nothing).toEqualTypeOf<[]>())
    // @ts-expect-error There is no such event.
    handle.on('error', () => {})
  })
})
