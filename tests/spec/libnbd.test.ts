import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { readCitations } from '../../scripts/citations.mjs'
import { drawSections, MARK } from '../../scripts/libnbd-page.mjs'
import { drawnIn } from '../../scripts/marked-page.mjs'
import { libnbdCalls } from '../../spec/libnbd/calls.js'
import { callSections, libnbdSections } from '../../spec/libnbd.js'
import { repository } from '../architecture/source-files.js'
import { typeMistakes } from './type-mistakes.js'

const { citations, strays } = readCitations(repository, 'libnbd')
const lines = callSections.flatMap((section) => section.lines)
const ours = lines.flatMap((line) => ('ours' in line ? line.names : []))

it('every call of libnbd is on one line, and no line has another', () => {
  expect(lines.flatMap(({ names }) => names).sort()).toEqual([...libnbdCalls].sort())
  expect(libnbdCalls).toHaveLength(160)
})

it('every call that we have is cited by a test: put `// libnbd: CALL` above the one that proves it', () => {
  const cited = new Set(citations.map(({ id }) => id))
  expect(ours.filter((call) => !cited.has(call))).toEqual([])
})

it('every citation is of a call that we have, spelled as it is in spec/libnbd', () => {
  const known = new Set<string>(ours)
  expect(citations.filter(({ id }) => !known.has(id))).toEqual([])
})

it('every citation stands above a test, or above a row of its table', () => {
  expect(strays).toEqual([])
})

it('what is ours is there, as it is written', () => {
  const pieces = libnbdSections.flatMap((section) =>
    section.lines.flatMap((line) => ('ours' in line ? line.ours : [])),
  )
  expect(typeMistakes(preamble, pieces)).toEqual([])
})

it('a reason is a sentence, and a note is none', () => {
  const all = libnbdSections.flatMap((section) => section.lines)
  const reasons = all.flatMap((line) => ('none' in line ? [line.none] : []))
  expect(reasons.filter((reason) => !/^[A-Z].*\.$/.test(reason))).toEqual([])
  const notes = all.flatMap((line) => ('ours' in line ? (line.note ?? []) : []))
  expect(notes.filter((note) => !/^(?![A-Z][a-z]).*[^.]$/.test(note))).toEqual([])
})

it('no constant is on two lines', () => {
  const names = libnbdSections.flatMap((section) => section.lines).flatMap((line) => line.names)
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
})

it('docs/coming-from-libnbd.md shows them as they are: node scripts/draw-libnbd.mjs draws them anew', () => {
  const page = readFileSync(join(repository, 'docs/coming-from-libnbd.md'), 'utf8')
  // Line by line: a difference is easier to read.
  expect(drawnIn(page, MARK).split('\n')).toEqual(drawSections(libnbdSections).split('\n'))
})

/** What the pieces of code in spec/libnbd take for granted. */
const preamble = `
import { connect, connectUri, Context, ExtentFlag, Handle, isUri } from '@nbdjs/core'
import type { HandleOptions, NbdError, ReadChunk, TlsProvider, Transport, UriTransports } from '@nbdjs/core'
import { CommandFlag } from '@nbdjs/core/wire'
import { nodeTls } from '@nbdjs/tls'
import { command, fd, socketActivation } from '@nbdjs/transport-process'
import type { ProcessOptions, Subprocess } from '@nbdjs/transport-process'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { hybridVsock, supportsVsock, vsock } from '@nbdjs/transport-vsock'
declare const handle: Handle<boolean>
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
declare const optMode: boolean, fullInfo: boolean, requestBlockSize: boolean, requestMetaContext: boolean
declare const requestStructuredReplies: boolean, requestExtendedHeaders: boolean
declare const handshakeFlags: HandleOptions['handshakeFlags'], strict: HandleOptions['strict']
declare const df: boolean, fua: boolean, noHole: boolean, fastZero: boolean, reqOne: boolean
declare const abandonPending: boolean
`
