import { describe, expect, it } from '@jest/globals'
import type { Connection, TlsHandover, TlsProvider } from '@nbdjs/core'
import { encodeOption, encodeText, Opt, optName, Rep } from '@nbdjs/core/wire'
import { memoryBackend, type ServerOptions } from '@nbdjs/server'
import { concat } from '../../src/bytes.js'
import { parseOptionReplies, RawClient } from '../peer/raw-client.js'
import { TestConnection } from '../peer/test-connection.js'

const noData = new Uint8Array(0)
const turn = (): Promise<void> => new Promise(setImmediate)

/** Replaces TLS: after `finish()` the client uses another connection. */
class StandInTls implements TlsProvider {
  readonly role = 'server'
  readonly encrypted = new TestConnection()
  readonly handovers: TlsHandover[] = []
  finish: (error?: Error) => void = () => {}

  upgrade(handover: TlsHandover): Promise<Connection> {
    this.handovers.push(handover)
    handover.connection.start({
      buffer: () => new Uint8Array(64),
      received: () => {},
      drained: () => {},
      ended: () => {},
      closed: () => {},
    })
    return new Promise((resolve, reject) => {
      this.finish = (error) => (error === undefined ? resolve(this.encrypted) : reject(error))
    })
  }
}

interface Scene {
  readonly client: RawClient
  readonly tls: StandInTls
}

const scene = (options: Partial<ServerOptions> = {}): Scene => {
  const tls = new StandInTls()
  return { client: new RawClient({ tlsProvider: tls, ...options }).greet(), tls }
}

/** Sends an option under TLS and takes the replies to it. */
const encrypted = ({ tls }: Scene, option: number, data?: Uint8Array) => {
  tls.encrypted.push(encodeOption(option, data))
  return parseOptionReplies(tls.encrypted.take())
}

const started = async (
  options: Partial<ServerOptions> = {},
  before: readonly number[] = [],
): Promise<Scene> => {
  const cast = scene(options)
  for (const option of before) expect(cast.client.option(option)).toMatchObject([{ reply: Rep.Ack }])
  expect(cast.client.option(Opt.StartTls)).toEqual([{ option: Opt.StartTls, reply: Rep.Ack, data: noData }])
  cast.tls.finish()
  await turn()
  return cast
}

const modes = [{ tls: 'optional' }, { tls: 'required' }, {}] as const

describe.each(modes)('with %p', (mode) => {
  // spec: server/forcedtls/acknowledge-starttls, server/forcedtls/ready-to-begin
  it('acknowledges NBD_OPT_STARTTLS, and begins the TLS handshake', () => {
    const { client, tls } = scene(mode)
    expect(client.option(Opt.StartTls)).toMatchObject([{ reply: Rep.Ack }])
    expect(tls.handovers).toMatchObject([{ address: 'test:', original: client.connection }])
  })

  // spec: server/forcedtls/all-under-tls
  it('sends nothing in plaintext afterwards', async () => {
    const cast = await started(mode)
    expect(encrypted(cast, Opt.List).at(-1)).toMatchObject({ reply: Rep.Ack })
    expect(cast.client.connection.take()).toHaveLength(0)
  })

  // spec: server/forcedtls/second-starttls
  it('rejects NBD_OPT_STARTTLS under TLS', async () => {
    const cast = await started(mode)
    expect(encrypted(cast, Opt.StartTls)).toMatchObject([{ reply: Rep.ErrInvalid }])
    expect(encrypted(cast, Opt.List).at(-1)).toMatchObject({ reply: Rep.Ack })
  })

  it('rejects data with the option', () => {
    const { client, tls } = scene(mode)
    expect(client.option(Opt.StartTls, new Uint8Array(1))).toMatchObject([{ reply: Rep.ErrInvalid }])
    expect(tls.handovers).toEqual([])
  })

  // spec: server/forcedtls/never-tls-reqd-under-tls
  it('sends no NBD_REP_ERR_TLS_REQD under TLS', async () => {
    const cast = await started(mode)
    for (const option of [Opt.List, Opt.Info, 99, Opt.StructuredReply]) {
      const replies = encrypted(cast, option)
      expect(replies.length).toBeGreaterThan(0)
      expect(replies.filter(({ reply }) => reply === Rep.ErrTlsReqd)).toEqual([])
    }
  })

  // spec: server/forcedtls/failed-handshake
  it('ends the session when the TLS handshake fails, and reports it once', async () => {
    const { client, tls } = scene(mode)
    client.option(Opt.StartTls)
    tls.finish(new Error('a stranger'))
    await turn()
    expect(client.fatal).toBe('TLS with test: failed: a stranger')
    expect(client.server.connections).toBe(0)
  })

  it('ends the session when the client speaks in plaintext after NBD_OPT_STARTTLS', () => {
    const { client, tls } = scene(mode)
    client.connection.push(concat(encodeOption(Opt.StartTls), encodeOption(Opt.StructuredReply)))
    expect(client.fatal).toBe(
      'NBD_OPT_STARTTLS: received 16 bytes in plaintext after it: possibly an active attack',
    )
    expect(tls.handovers).toEqual([])
  })

  it('ends a TLS handshake that takes too long', async () => {
    const { client, tls } = scene({ ...mode, timeouts: { handshakeMs: 10 } })
    client.option(Opt.StartTls)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(client.fatal).toContain('did not select an export within 10 ms')
    expect(tls.handovers[0]?.signal.aborted).toBe(true)
  })

  it('continues if the acknowledgement was blocked', async () => {
    const cast = scene(mode)
    cast.client.connection.isBlocked = true
    cast.client.option(Opt.StartTls)
    cast.tls.finish()
    await turn()
    expect(encrypted(cast, Opt.List).at(-1)).toMatchObject({ reply: Rep.Ack })
  })
})

describe('if TLS is required', () => {
  const others = Object.values(Opt).filter(
    (option) => ![Opt.ExportName, Opt.Abort, Opt.StartTls].includes(option as 1),
  )

  // spec: server/forcedtls/refuse-all-else, server/forcedtls/no-information
  it.each([...others, 99, 0xffffffff].map((option) => [optName(option), option] as const))(
    '%s is rejected before it',
    (_, option) => {
      const { client } = scene()
      for (const data of [noData, new Uint8Array(100_000)]) {
        expect(client.option(option, data)).toEqual([
          {
            option,
            reply: Rep.ErrTlsReqd,
            data: encodeText(`${optName(option)}: this server requires TLS`),
          },
        ])
      }
      expect(client.isAlive).toBe(true)
    },
  )

  // spec: server/forcedtls/export-name
  it('NBD_OPT_EXPORT_NAME ends the session', () => {
    const { client } = scene()
    client.connection.push(encodeOption(Opt.ExportName, noData))
    expect(client.fatal).toContain('NBD_OPT_EXPORT_NAME: this server requires TLS')
    expect(client.connection.take()).toHaveLength(0)
  })

  // spec: server/tls/fixed-newstyle-only
  it('a client without fixed newstyle is disconnected', () => {
    const tls = new StandInTls()
    const starting = new RawClient({ tlsProvider: tls }).greet(0)
    starting.connection.push(encodeOption(Opt.StartTls))
    expect(starting.fatal).toContain('fixed newstyle was not negotiated')
    const entering = new RawClient({ tlsProvider: tls }).greet(0)
    entering.connection.push(encodeOption(Opt.ExportName, noData))
    expect(entering.fatal).toContain('this server requires TLS')
    expect(tls.handovers).toEqual([])
  })

  it('the URI has the scheme nbds', async () => {
    for (const [tls, scheme] of [
      ['required', 'nbds://'],
      ['optional', 'nbd://'],
      ['off', 'nbd://'],
    ] as const) {
      const { client } = scene({ tls })
      const { uri } = await client.server.listen({ host: '127.0.0.1', port: 0 })
      expect(uri.startsWith(scheme)).toBe(true)
      client.connection.destroy()
      await client.server.close()
    }
  })

  it('NBD_OPT_ABORT is acknowledged', () => {
    expect(scene().client.option(Opt.Abort)).toMatchObject([{ reply: Rep.Ack }])
  })

  // spec: server/tls/same-mode-to-the-end
  it('it is required until the end of the connection', async () => {
    const { client } = scene()
    for (let round = 0; round < 3; round++) {
      expect(client.option(Opt.List)).toMatchObject([{ reply: Rep.ErrTlsReqd }])
    }
  })
})

describe('if TLS is optional', () => {
  // spec: server/starttls/forget-what-was-agreed
  it('what was negotiated before is discarded', async () => {
    const cast = await started({ tls: 'optional' }, [Opt.StructuredReply, Opt.ExtendedHeaders])
    // It is rejected after extended headers were negotiated.
    expect(encrypted(cast, Opt.StructuredReply)).toMatchObject([{ reply: Rep.Ack }])
  })

  // spec: server/selectivetls/tls-reqd-for-exports-only
  it('options are answered in plaintext as well', () => {
    const { client } = scene({ tls: 'optional' })
    expect(client.inform(Opt.Go).at(-1)).toMatchObject({ reply: Rep.Ack })
  })
})

describe('wrong options', () => {
  const upgrade = (): Promise<Connection> => Promise.reject(new Error('never'))

  it.each([
    [
      { tls: 'required' },
      "Server: tlsProvider: expected the server side of TLS if tls is 'required': nodeTlsServer() of @nbdjs/tls, received undefined",
    ],
    [
      { tls: 'optional', tlsProvider: { role: 'client', upgrade } },
      "if tls is 'optional': nodeTlsServer() of @nbdjs/tls, received the client side of TLS",
    ],
    [{ tlsProvider: {} }, "if tls is 'required'"],
    [{ tls: 'forced' }, "Server: tls: expected one of 'off', 'optional', 'required', received \"forced\""],
  ])('%p', (options, message) => {
    const all = { exports: { '': memoryBackend(512) }, ...options } as unknown as ServerOptions
    expect(() => new RawClient(all)).toThrow(message)
  })

  it('a provider is not used if tls is off', () => {
    const { client, tls } = scene({ tls: 'off' })
    expect(client.option(Opt.StartTls)).toMatchObject([{ reply: Rep.ErrUnsup }])
    expect(tls.handovers).toEqual([])
  })
})
