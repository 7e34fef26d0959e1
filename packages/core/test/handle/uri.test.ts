import { describe, expect, test } from '@jest/globals'
import {
  connect,
  Handle,
  type HandleOptions,
  NbdStateError,
  parseUri,
  type Transport,
  type UriAddress,
} from '@nbdjs/core'
import { Opt, Rep } from '@nbdjs/core/wire'
import { negotiating } from './connected.js'
import { watchLeaks } from './leaks.js'
import { ScriptedServer } from './scripted-server.js'
import { rejection, settled } from './settle-promises.js'
import { CLIENT_HELLO, SERVER_HELLO, StandInTls } from './stand-in-tls.js'

watchLeaks()

const there: UriAddress = { transport: 'tcp', host: 'there', port: 99 }

/** A provider with parameters for a URI. */
class NamedTls extends StandInTls {
  readonly uri = { user: 'alice', pskFile: '/keys' }
}

interface Scene {
  readonly server: ScriptedServer
  readonly handle: Handle
  readonly connecting: Promise<unknown>
}

/** The transport of a server, said to lead somewhere. */
function leadingTo(uri: unknown, { transport }: ScriptedServer): Transport {
  return { address: 'in-process:', uri: uri as UriAddress, dial: (options) => transport.dial(options) }
}

/** A handle that has dialled a server which is said to be there. */
function scene(options: HandleOptions = {}, said: { readonly uri: unknown } = { uri: there }): Scene {
  const server = new ScriptedServer()
  const handle = new Handle(options)
  const connecting = handle.connect(leadingTo(said.uri, server))
  connecting.catch(() => {})
  return { server, handle, connecting }
}

async function end({ server, handle, connecting }: Scene): Promise<void> {
  handle.destroy()
  await Promise.allSettled([connecting])
  await settled()
  expect(server.end).toBeDefined()
}

describe('the URI of a handle', () => {
  // libnbd: nbd_get_uri
  test('is known from the dial to the end, and names the export', async () => {
    const { server, handle, connecting } = scene({ exportName: 'a b/é' })
    const uri = 'nbd://there:99/a%20b/%C3%A9'
    expect([handle.state, handle.uri]).toEqual(['connecting', uri])
    await server.handshake()
    await connecting
    expect([handle.state, handle.uri]).toEqual(['ready', uri])
    const leaving = handle.shutdown()
    expect(handle.uri).toBe(uri)
    await Promise.all([leaving, server.farewell()])
    expect([handle.state, handle.uri]).toEqual(['closed', uri])
    expect(parseUri(uri)).toMatchObject({ ...there, exportName: 'a b/é' })
  })

  test('is unknown before connect', () => {
    const error = expect.objectContaining({ code: 'ERR_NBD_STATE', errno: 'ENOTCONN' })
    expect(() => new Handle().uri).toThrow(error)
    expect(() => new Handle().uri).toThrow(NbdStateError)
  })

  test('is known after a failed dial', async () => {
    const handle = new Handle()
    const dial = (): Promise<never> => Promise.reject(new Error('nobody listens'))
    await rejection(handle.connect({ address: 'there', uri: there, dial }))
    expect([handle.state, handle.uri]).toEqual(['dead', 'nbd://there:99/'])
  })

  test('follows the name of the export', async () => {
    const { handle, server } = await negotiating()
    handle.setExportName('other')
    expect(handle.uri).toBeUndefined()
    handle.destroy()
    const dial = (): Promise<never> => new Promise(() => {})
    const named = new Handle({ exportName: 'one' })
    named.setExportName('two')
    named.connect({ address: 'there', uri: there, dial }).catch(() => {})
    expect(named.uri).toBe('nbd://there:99/two')
    named.destroy()
    await settled()
    expect(server.end).toBeDefined()
  })

  test('is undefined if the transport has none, or an invalid one', async () => {
    for (const uri of [undefined, null, 'nbd://there', { ...there, port: 0 }, { transport: 'ssh' }]) {
      const here = scene({}, { uri })
      expect([here.handle.state, here.handle.uri]).toEqual(['connecting', undefined])
      await end(here)
    }
    const destroyed = new Handle()
    destroyed.destroy()
    expect(destroyed.uri).toBeUndefined()
  })

  test('has the address at the time of the dial, and no other fields of the transport', async () => {
    const uri = { ...there, user: 'bob', exportName: 'theirs', tlsParameters: { type: 'psk' } }
    const here = scene({ exportName: 'mine' }, { uri })
    Object.assign(uri, { host: 'elsewhere' })
    expect(here.handle.uri).toBe('nbd://there:99/mine')
    await end(here)
  })
})

describe('TLS in the URI', () => {
  test.each<readonly [options: HandleOptions, expected: string]>([
    [{ tls: 'require', tlsProvider: new StandInTls() }, 'nbds://there:99/'],
    [{ tls: 'require', tlsProvider: new NamedTls() }, 'nbds://alice@there:99/?tls-psk-file=/keys'],
    [{ tls: 'allow', tlsProvider: new NamedTls() }, 'nbd://alice@there:99/?tls-psk-file=/keys'],
    [{ tls: 'disable', tlsProvider: new NamedTls() }, 'nbd://there:99/'],
  ])('is what the options request: %#', async (options, expected) => {
    const here = scene(options)
    expect(here.handle.uri).toBe(expected)
    await end(here)
  })

  test.each([
    [true, 'nbds://alice@there:99/?tls-psk-file=/keys'],
    [false, 'nbd://alice@there:99/?tls-psk-file=/keys'],
  ])('is the negotiated mode if it is allowed: %j', async (agrees, expected) => {
    const here = scene({ tls: 'allow', tlsProvider: new NamedTls() })
    const { server, handle } = here
    await server.greet()
    await server.option(Opt.StartTls)
    server.reply(Opt.StartTls, agrees ? Rep.Ack : Rep.ErrPolicy)
    if (agrees) {
      expect(await server.read(CLIENT_HELLO.length)).toEqual(CLIENT_HELLO)
      server.send(SERVER_HELLO)
    }
    await server.refuseExtendedHeaders()
    await server.option(Opt.StructuredReply)
    server.reply(Opt.StructuredReply, Rep.Ack)
    await server.option(Opt.Go)
    server.grant(Opt.Go)
    await here.connecting
    expect(handle.uri).toBe(expected)
    await end(here)
  })

  test('contains no password that a provider passes as a user name', async () => {
    const tlsProvider = Object.assign(new StandInTls(), { uri: { user: 'alice:secret' } })
    const here = scene({ tls: 'require', tlsProvider })
    expect(here.handle.uri).toBe('nbds://there:99/')
    await end(here)
  })
})

test('connect() accepts a transport that has a URI', async () => {
  const server = new ScriptedServer()
  const connecting = connect(leadingTo({ transport: 'unix', socketPath: '/s&x' }, server))
  await server.handshake()
  const nbd = await connecting
  expect(nbd.uri).toBe('nbd+unix:///?socket=/s%26x')
  await Promise.all([nbd.shutdown(), server.farewell()])
})
