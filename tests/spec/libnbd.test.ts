import { expect, it } from '@jest/globals'
import { libnbdCalls } from '../../spec/libnbd/calls.js'
import { callSections, libnbdSections } from '../../spec/libnbd.js'
import { typeMistakes } from './type-mistakes.js'

const lines = libnbdSections.flatMap((section) => section.lines)

it('every call of libnbd is on exactly one line', () => {
  const names = callSections.flatMap((section) => section.lines).flatMap((line) => line.names)
  expect(names.sort()).toEqual([...libnbdCalls].sort())
  expect(libnbdCalls).toHaveLength(160)
})

it('no name is on two lines', () => {
  const names = lines.flatMap((line) => line.names)
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
})

it('every counterpart compiles against the public types', () => {
  const pieces = lines.flatMap((line) => ('ours' in line ? line.ours : []))
  expect(typeMistakes(preamble, pieces)).toEqual([])
})

const handlePreamble = `import { Handle } from '@nbdjs/core'
declare const handle: Handle`

it('reports each mistake with the piece of code that has it', () => {
  const right = ['handle.info.size', "new Handle({ exportName: 'disk' })", 'await handle.pread(512, 0n)']
  const wrong = [
    { piece: 'handle.bogus', message: "Property 'bogus' does not exist on type 'Handle'." },
    { piece: 'handle.pread(512)', message: 'Expected 2-3 arguments, but got 1.' },
    {
      piece: "new Handle({ export: '' })",
      message: expect.stringContaining("'export' does not exist in type"),
    },
  ]
  const [first, ...others] = wrong.map(({ piece }) => piece)
  expect(typeMistakes(handlePreamble, [String(first), ...right, ...others])).toEqual(wrong)
})

it('throws for a mistake in the preamble', () => {
  expect(() => typeMistakes("import { Bogus } from '@nbdjs/core'", [])).toThrow(/^the preamble: .*'Bogus'/)
})

/** The declarations that the code in spec/libnbd uses. */
const preamble = `
import { connect, connectUri, MetaContextName, ExtentFlag, Handle, isUri, negotiate } from '@nbdjs/core'
import type { HandleOptions, NbdError, ReadChunk, TlsProvider, Transport, UriTransports } from '@nbdjs/core'
import { CommandFlag } from '@nbdjs/core/wire'
import { nodeTls } from '@nbdjs/tls'
import { command, fd, socketActivation } from '@nbdjs/transport-process'
import type { ProcessOptions, Subprocess } from '@nbdjs/transport-process'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { hybridVsock, supportsVsock, vsock } from '@nbdjs/transport-vsock'
declare const handle: Handle
declare const error: NbdError
declare const chunk: ReadChunk
declare const child: Subprocess
declare const options: HandleOptions
declare const transport: Transport
declare const transports: UriTransports
declare const tlsProvider: TlsProvider
declare const onSpawn: ProcessOptions['onSpawn']
declare const listener: (...args: unknown[]) => void
declare const onChunk: (chunk: ReadChunk) => void
declare const name: string, exportName: string, host: string, path: string, uri: string, text: string
declare const query: string, queries: string[], metaContexts: string[], contexts: string[], argv: string[]
declare const certificates: string, pskFile: string, username: string, serverName: string
declare const ca: string, cert: string, crl: string, key: Uint8Array<ArrayBuffer>, verifyPeer: boolean
declare const port: number, cid: number, n: number, length: number, offset: bigint
declare const buffer: Uint8Array, data: Uint8Array
declare const fullInfo: boolean, requestBlockSize: boolean, requestMetaContext: boolean
declare const requestStructuredReplies: boolean, requestExtendedHeaders: boolean
declare const handshakeFlags: HandleOptions['handshakeFlags'], strict: HandleOptions['strict']
declare const df: boolean, fua: boolean, noHole: boolean, fastZero: boolean, reqOne: boolean
declare const abandonPending: boolean
`
