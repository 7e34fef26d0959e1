import { inspect } from 'node:util'
import { expect, test } from '@jest/globals'
import { connect, connectUri, Handle, NbdNegotiationError, NbdUsageError } from '@nbdjs/core'
import {
  Cmd,
  ErrorValue,
  encodeErrorChunk,
  encodeInfoText,
  Info,
  Opt,
  Rep,
  ReplyFlag,
} from '@nbdjs/core/wire'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { ScriptedServer } from './scripted-server.js'
import { rejection } from './settle-promises.js'

watchLeaks()

const secret = '/vdi?session_id=OpaqueRef:5e55-10n'
const options = { exportName: secret, secretExportName: true }
const text = (characters: string): Uint8Array => new TextEncoder().encode(characters)
const allOf = (error: unknown): string => inspect(error, { depth: 9, showHidden: true })

test('a secret export name is sent, and shown nowhere', async () => {
  const lines: string[] = []
  const server = new ScriptedServer()
  const handle = new Handle(options)
  handle.on('debug', (line) => lines.push(line))
  const connecting = handle.connect({
    ...server.transport,
    uri: { transport: 'tcp', host: 'xen', port: 10809 },
  })
  await server.open()
  expect(new TextDecoder().decode(await server.option(Opt.Go))).toContain(secret)
  server.grant(Opt.Go, {
    infos: [encodeInfoText(Info.Name, secret), encodeInfoText(Info.Description, `disk of ${secret}`)],
  })
  await connecting
  expect(handle.info).toMatchObject({ name: '***', canonicalName: '***', description: 'disk of ***' })
  expect(handle.settings).toMatchObject({ exportName: '***', secretExportName: true })
  expect(handle.uri).toBe('nbd://xen:10809/***')
  expect(lines.join('\n')).toContain('NBD_OPT_GO length=')
  expect(lines.join('\n')).toContain('name="***"')
  for (const shown of [...lines, allOf(handle), allOf(handle.info), allOf(handle.settings), handle.uri]) {
    expect(shown).not.toContain('OpaqueRef')
  }
  handle.destroy()
})

test('a secret export name is masked if the server repeats it in an error', async () => {
  const server = new ScriptedServer()
  const connecting = rejection(connect(server.transport, options))
  await server.open()
  await server.option(Opt.Go)
  server.reply(Opt.Go, Rep.ErrUnknown, text(`export '${secret}' not present`))
  const error = await connecting
  expect(error).toBeInstanceOf(NbdNegotiationError)
  expect(error).toMatchObject({
    serverMessage: "export '***' not present",
    message: expect.stringContaining('NBD_OPT_GO of export "***": server replied NBD_REP_ERR_UNKNOWN'),
  })
  expect(allOf(error)).not.toContain('OpaqueRef')
  await server.option(Opt.Abort)
  await server.hangUp()
})

test('a secret export name is masked if the server disconnects after NBD_OPT_EXPORT_NAME', async () => {
  const server = new ScriptedServer()
  const connecting = rejection(connect(server.transport, options))
  await server.greet(0)
  await server.option(Opt.ExportName)
  server.endOfFile()
  const error = await connecting
  expect(error).toMatchObject({ message: expect.stringContaining('NBD_OPT_EXPORT_NAME of export "***"') })
  expect(allOf(error)).not.toContain('OpaqueRef')
})

test('a secret export name is masked in the error of a command', async () => {
  const { handle, server } = await ready({ structuredReplies: true }, options)
  const reading = rejection(handle.pread(512, 0))
  const request = await server.request(Cmd.Read)
  server.send(
    encodeErrorChunk(request, ReplyFlag.Done, { value: ErrorValue.EIO, message: `${secret} failed` }),
  )
  const error = await reading
  expect(error).toMatchObject({
    serverMessage: '*** failed',
    message: expect.stringContaining('EIO: "*** failed"'),
  })
  expect(allOf(error)).not.toContain('OpaqueRef')
  handle.destroy()
})

test('a secret export name is masked in the errors of calls that need to know the export', async () => {
  const { handle } = await negotiating({}, { ...options, metaContexts: ['base:allocation'] })
  expect(() => handle.info).toThrow('export "***" is not known yet')
  expect(() => handle.canMetaContext('base:allocation')).toThrow('of export "***" are not known')
  handle.destroy()
})

test('a secret export name that is no name is not shown either', async () => {
  for (const exportName of [`${secret}\0`, `${secret}\ud800`]) {
    const make = () => new Handle({ exportName, secretExportName: true })
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(/received a string$/)
  }
  const { handle } = await negotiating({}, options)
  expect(() => handle.setExportName(`${secret}\0`)).toThrow(/received a string$/)
  handle.destroy()
})

test('a secret export name of a URI is masked', async () => {
  const server = new ScriptedServer()
  const lines: string[] = []
  const connecting = connectUri(`nbd://xen/${encodeURIComponent(secret)}`, {
    secretExportName: true,
    transports: { tcp: () => server.transport },
    onHandle: (handle) => handle.on('debug', (line) => lines.push(line)),
  })
  await server.handshake()
  const handle = await connecting
  expect(handle.uri).toBe('nbd://xen:10809/***')
  expect(allOf([handle, handle.info, lines])).not.toContain('OpaqueRef')
  handle.destroy()
})

test('a text that is cut within the secret does not show its beginning', async () => {
  const lines: string[] = []
  const server = new ScriptedServer()
  const handle = new Handle(options)
  handle.on('debug', (line) => lines.push(line))
  const connecting = rejection(handle.connect(server.transport))
  await server.open()
  await server.option(Opt.Go)
  server.reply(Opt.Go, Rep.ErrPolicy, text(`${'x'.repeat(230)}${secret}`))
  await connecting
  expect(lines.join('\n')).toContain('xxx***"... (')
  expect(lines.join('\n')).not.toContain('session_id')
  await server.option(Opt.Abort)
  await server.hangUp()
})

test('an empty export name is no secret', async () => {
  const { handle } = await ready({}, { secretExportName: true })
  expect(handle.info.name).toBe('')
  handle.destroy()
})
