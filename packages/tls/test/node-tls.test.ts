import { once } from 'node:events'
import type net from 'node:net'
import tls from 'node:tls'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from '@jest/globals'
import { type Connection, NbdTransportError, type TlsHandover, type TlsProvider } from '@nbdjs/core'
import { type NodeTlsOptions, type NodeTlsServerOptions, nodeTls, nodeTlsServer } from '@nbdjs/tls'
import { Authority, sha256 } from './credentials.js'
import { exchange } from './exchange.js'
import { disguised, handover, type Pair, tcpPair, upgraded } from './pair.js'

const authority = new Authority()
const stranger = new Authority('An untrusted authority')
afterAll(() => {
  authority.remove()
  stranger.remove()
})

const names = 'DNS:disk.example,DNS:*.wild.example,IP:127.0.0.1,IP:::1'
const good = authority.issue({ names })
const { ca } = authority

const alice = { username: 'alice', key: new Uint8Array(32).fill(1) }
const bob = { username: 'bob', key: new Uint8Array(32).fill(2) }

const ways = { 'on the socket': (connection: Connection) => connection, 'on any connection': disguised }

/** Upgrades both ends and exchanges data. Rejects with the error of the client. */
async function attempt(
  client: NodeTlsOptions,
  server: NodeTlsServerOptions | TlsProvider,
  more: Partial<TlsHandover> = {},
): Promise<void> {
  const ends = await upgraded(await tcpPair(), nodeTls(client), providerOf(server), more)
  await exchange(ends)
}

const providerOf = (server: NodeTlsServerOptions | TlsProvider): TlsProvider =>
  'role' in server ? server : nodeTlsServer(server)

const failure = async (...args: Parameters<typeof attempt>): Promise<NbdTransportError> => {
  const error = await attempt(...args).then(
    () => new Error('the upgrade succeeded'),
    (error: Error) => error,
  )
  expect(error).toBeInstanceOf(NbdTransportError)
  expect(error).toMatchObject({ operation: 'tls', address: 'tcp://disk.example:10809' })
  return error as NbdTransportError
}

describe.each(Object.entries(ways))('%s', (_, of) => {
  const over = (pair: Pair): Pair => ({ ...pair, client: of(pair.client), server: of(pair.server) })

  // spec: client/tls/version-1-2, server/tls/version-1-2
  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'speaks %s with a certificate of an authority',
    async (version) => {
      const server = nodeTlsServer({ ...good, minVersion: version })
      const client = nodeTls({ ca, minVersion: version })
      const ends = await upgraded(over(await tcpPair()), client, server, { hostName: 'disk.example' })
      await exchange(ends)
    },
  )

  it('speaks with a pre-shared key', async () => {
    const ends = await upgraded(
      over(await tcpPair()),
      nodeTls({ psk: bob }),
      nodeTlsServer({ psk: [alice, bob] }),
    )
    await exchange(ends)
  })

  it('rejects the wrong server with the reason, and leaves nothing open', async () => {
    const pair = over(await tcpPair())
    const upgrading = upgraded(pair, nodeTls({ ca: stranger.ca }), nodeTlsServer(good))
    await expect(upgrading).rejects.toMatchObject({ operation: 'tls', errno: 'EACCES' })
    expect(pair.sockets.client.destroyed).toBe(true)
  })

  it('an abort rejects with the reason, and leaves nothing open', async () => {
    const pair = over(await tcpPair())
    const abort = new AbortController()
    const upgrading = nodeTls({ ca }).upgrade(handover(pair.client, { signal: abort.signal }))
    const reason = new Error('enough')
    abort.abort(reason)
    await expect(upgrading).rejects.toBe(reason)
    expect(pair.sockets.client.destroyed).toBe(true)
    await expect(
      nodeTls({ ca }).upgrade(handover(over(await tcpPair()).client, { signal: abort.signal })),
    ).rejects.toBe(reason)
    pair.sockets.server.destroy()
  })

  it('an abort of the server does the same', async () => {
    const pair = over(await tcpPair())
    const abort = new AbortController()
    const upgrading = nodeTlsServer(good).upgrade(handover(pair.server, { signal: abort.signal }))
    const reason = new Error('enough')
    abort.abort(reason)
    await expect(upgrading).rejects.toBe(reason)
    expect(pair.sockets.server.destroyed).toBe(true)
    pair.sockets.client.destroy()
  })

  it('reports a client that hangs up during the handshake', async () => {
    const pair = over(await tcpPair())
    const accepting = nodeTlsServer(good).upgrade(handover(pair.server, { address: 'the client' }))
    pair.sockets.client.end()
    await expect(accepting).rejects.toMatchObject({
      operation: 'tls',
      address: 'the client',
      errno: 'ECONNRESET',
    })
    pair.sockets.client.destroy()
  })

  it('reports a reset of the server, with the native error behind it', async () => {
    const pair = over(await tcpPair())
    const upgrading = nodeTls({ ca }).upgrade(handover(pair.client))
    pair.sockets.server.resetAndDestroy()
    const error = await upgrading.then(
      () => undefined,
      (reason) => reason,
    )
    expect(error).toMatchObject({
      operation: 'tls',
      errno: 'ECONNRESET',
      message: `TLS with tcp://disk.example:10809 failed: the server closed the connection during the TLS handshake`,
    })
    let native = error
    while (native instanceof NbdTransportError) native = native.cause
    expect(native).toMatchObject({ code: 'ECONNRESET' })
  })

  it('reports a server that hangs up, and a server that does not speak TLS', async () => {
    const hung = over(await tcpPair())
    const hanging = nodeTls({ ca }).upgrade(handover(hung.client))
    hung.sockets.server.end()
    await expect(hanging).rejects.toMatchObject({ operation: 'tls', errno: 'ECONNRESET' })
    const plain = over(await tcpPair())
    const speaking = nodeTls({ ca }).upgrade(handover(plain.client))
    plain.sockets.server.write('NBDMAGIC, and so on, in plaintext')
    await expect(speaking).rejects.toThrow('the server answered with bytes that are not TLS')
    hung.sockets.server.destroy()
    plain.sockets.server.destroy()
  })
})

describe('the name of the server', () => {
  it.each(['disk.example', 'a.wild.example', '127.0.0.1', '::1', '::1%lo'])(
    'is %s, as dialled',
    async (hostName) => {
      await attempt({ ca }, good, { hostName })
    },
  )

  it('is another one: the message contains both', async () => {
    const error = await failure({ ca }, good, { hostName: 'tape.example' })
    expect(error.errno).toBe('EACCES')
    expect(error.message).toBe(
      'TLS with tcp://disk.example:10809 failed: the server\'s certificate is for "disk.example, *.wild.example, ' +
        '127.0.0.1, 0:0:0:0:0:0:0:1", not for "tape.example": the option serverName sets the expected name',
    )
  })

  it.each(['127.0.0.2', '::2'])('is another address: %s', async (hostName) => {
    expect((await failure({ ca }, good, { hostName })).message).toContain(`not for "${hostName}"`)
  })

  // libnbd: nbd_set_tls_hostname
  it('is serverName if given, else the host', async () => {
    await attempt({ ca, serverName: 'disk.example' }, good, { hostName: 'tape.example' })
    const error = await failure({ ca, serverName: 'tape.example' }, good, { hostName: 'disk.example' })
    expect(error.message).toContain('not for "tape.example"')
  })

  it('may be any name if no host is known, but the authority must be trusted', async () => {
    await attempt({ ca }, good)
    await failure({ ca: stranger.ca }, good)
    expect((await failure({ ca, serverName: 'tape.example' }, good)).message).toContain(
      'not for "tape.example"',
    )
  })

  it('is sent to the server, except an address', async () => {
    const seen: (string | false | null)[] = []
    for (const hostName of ['disk.example', '127.0.0.1', undefined]) {
      const pair = await tcpPair()
      const server = tls.createServer(good)
      const accepted = once(server, 'secureConnection')
      server.emit('connection', pair.sockets.server)
      const connection = await nodeTls({ ca }).upgrade(handover(pair.client, { hostName }))
      const [socket] = (await accepted) as [tls.TLSSocket & { servername: string | false }]
      seen.push(socket.servername)
      connection.destroy()
      socket.destroy()
    }
    expect(seen).toEqual(['disk.example', false, false])
  })
})

describe('the wrong server', () => {
  it.each([
    ['of an unknown authority', { ca: stranger.ca }, 'is not signed by a trusted authority'],
    ['of an authority that Node does not know', {}, 'is not signed by a trusted authority'],
  ])('%s', async (_, options, message) => {
    expect((await failure(options, good)).message).toContain(message)
  })

  it('has a certificate that has expired', async () => {
    const error = await failure({ ca }, authority.issue({ days: -1 }))
    expect(error).toMatchObject({
      errno: 'EACCES',
      message: "TLS with tcp://disk.example:10809 failed: the server's certificate has expired",
    })
  })

  it('has a certificate that was revoked', async () => {
    const lost = authority.issue()
    const crl = authority.revoke(lost)
    await attempt({ ca, crl }, good)
    expect((await failure({ ca, crl }, lost)).message).toContain("the server's certificate was revoked")
  })

  it('signed its certificate itself', async () => {
    const own = authority.issue()
    const selfSigned = { cert: stranger.ca, key: own.key }
    // A key that does not match is reported at once.
    expect(() => nodeTlsServer(selfSigned)).toThrow('nodeTlsServer: the credentials cannot be used')
  })

  it('speaks TLS 1.1 only', async () => {
    const old: TlsProvider = {
      role: 'server',
      upgrade: async ({ original }) => {
        const server = tls.createServer({
          ...good,
          minVersion: 'TLSv1',
          maxVersion: 'TLSv1.1',
          ciphers: 'DEFAULT@SECLEVEL=0',
        })
        server.on('tlsClientError', () => {})
        const { socket } = original as Connection & { socket: net.Socket }
        server.emit('connection', socket)
        return original
      },
    }
    const error = await failure({ ca }, old)
    expect(error.errno).toBe('EPROTO')
    expect(error.message).toContain('it supports no version of TLS that is allowed here')
  })

  // libnbd: nbd_set_tls_verify_peer
  it('is accepted with verifyPeer: false only', async () => {
    await attempt({ ca: stranger.ca, verifyPeer: false }, good, { hostName: 'tape.example' })
  })

  it('is not accepted because of the environment', async () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      await failure({ ca: stranger.ca }, good)
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
    }
  })
})

describe('a pinned server', () => {
  const pins = { fingerprint: sha256(good.cert), pinnedCertificate: good.cert }

  it.each(['fingerprint', 'pinnedCertificate'] as const)('is verified by its %s alone', async (pin) => {
    const options = { [pin]: pins[pin] }
    await attempt(options, good, { hostName: 'tape.example' })
    const other = authority.issue({ names })
    const error = await failure(options, other, { hostName: 'disk.example' })
    expect(error).toMatchObject({ errno: 'EACCES' })
    expect(error.message).toContain(
      `is not the pinned one: expected SHA-256 ${sha256(good.cert)}, received ${sha256(other.cert)}`,
    )
  })

  it('may be pinned in lower case without colons', async () => {
    await attempt({ fingerprint: sha256(good.cert).replaceAll(':', '').toLowerCase() }, good)
  })

  it('must have a trusted authority and the right name too, if an authority is given', async () => {
    const { fingerprint } = pins
    await attempt({ ca, fingerprint }, good, { hostName: 'disk.example' })
    await failure({ ca, fingerprint }, good, { hostName: 'tape.example' })
    await failure({ ca: stranger.ca, fingerprint }, good)
    await failure({ ca, fingerprint }, authority.issue({ names }), { hostName: 'disk.example' })
  })
})

describe('the wrong client', () => {
  it('has no certificate, but one is required', async () => {
    const server = { ...good, ca, verifyPeer: true }
    const mine = authority.issue({ commonName: 'me' })
    await attempt({ ca, ...mine }, server)
    const ends = upgraded(await tcpPair(), nodeTls({ ca }), nodeTlsServer(server))
    const message = await ends.then(exchange).then(
      () => 'it was accepted',
      (error: Error) => error.message,
    )
    expect(message).toMatch(/alert|certificate/)
  })

  it.each([
    [
      'before the server sent data',
      '',
      /^read of .* failed: read ECONNRESET right after the TLS handshake: does it require a client certificate/,
    ],
    ['after it', 'hello', /^read of .* failed: read ECONNRESET$/],
  ])('is reset by a server that sends no alert, %s', async (_, word, message) => {
    const pair = await tcpPair()
    const { client, server } = await upgraded(pair, nodeTls({ ca }), nodeTlsServer(good))
    const broken = new Promise<Error | undefined>((resolve) => {
      const reset = (): unknown => pair.sockets.server.resetAndDestroy()
      client.start({
        buffer: () => new Uint8Array(16),
        received: reset,
        drained: () => {},
        ended: () => {},
        closed: resolve,
      })
      if (word === '') reset()
      else server.write([new TextEncoder().encode(word)])
    })
    expect(await broken).toMatchObject({
      operation: 'read',
      errno: 'ECONNRESET',
      message: expect.stringMatching(message),
    })
    server.destroy()
  })

  it('has a certificate of an unknown authority: the server gets the reason', async () => {
    const pair = await tcpPair()
    const accepting = nodeTlsServer({ ...good, ca, verifyPeer: true }).upgrade(handover(pair.server))
    const dialling = nodeTls({ ca, ...stranger.issue() }).upgrade(handover(pair.client))
    dialling.catch(() => {})
    await expect(accepting).rejects.toMatchObject({
      operation: 'tls',
      errno: 'EACCES',
      message: expect.stringContaining("the client's certificate is not signed by a trusted authority"),
    })
    ;(await dialling).destroy()
  })
})

describe('G8: an RSA key of fewer than 2048 bits', () => {
  const weak = authority.issue({ names, rsaBits: 1024 })
  const strong = authority.issue({ names, rsaBits: 2048 })
  const tooShort = 'certificate has a key that is too short: RSA keys need at least 2048 bits'

  /** A server of another program, which allows any key. */
  const lenient = (credentials: tls.TlsOptions): TlsProvider => ({
    role: 'server',
    upgrade: async ({ original }) => {
      const server = tls.createServer({ ...credentials, ciphers: 'DEFAULT@SECLEVEL=0' })
      server.on('tlsClientError', () => {})
      server.emit('connection', (original as Connection & { socket: net.Socket }).socket)
      return original
    },
  })

  it.each([
    ['nodeTls', () => nodeTls({ ca, ...weak })],
    ['nodeTlsServer', () => nodeTlsServer(weak)],
  ])('is rejected as an option of %s', (call, make) => {
    expect(make).toThrow(
      `${call}: cert: expected an RSA key of at least 2048 bits, received one of 1024 bits`,
    )
  })

  it.each<[string, NodeTlsOptions]>([
    ['an authority', { ca }],
    ['its fingerprint', { fingerprint: sha256(weak.cert) }],
    ['both', { ca, fingerprint: sha256(weak.cert) }],
  ])('of the server is rejected, verified by %s', async (_, options) => {
    const error = await failure(options, lenient(weak), { hostName: 'disk.example' })
    expect(error).toMatchObject({ operation: 'tls', errno: 'EACCES' })
    expect(error.message).toBe(`TLS with tcp://disk.example:10809 failed: the server's ${tooShort}`)
  })

  it('of a client is rejected by the server', async () => {
    const pair = await tcpPair()
    const accepting = nodeTlsServer({ ...strong, ca, verifyPeer: true }).upgrade(handover(pair.server))
    const options = { ...weak, rejectUnauthorized: false, ciphers: 'DEFAULT@SECLEVEL=0' }
    const client = tls.connect({ socket: pair.sockets.client, ...options })
    client.on('error', () => {})
    await expect(accepting).rejects.toMatchObject({
      operation: 'tls',
      errno: 'EACCES',
      message: expect.stringMatching(
        /the client's certificate (has a key that is too short|was rejected by OpenSSL: is an RSA key shorter than 2048 bits)/,
      ),
    })
    client.destroy()
  })

  it('of 2048 bits is accepted on both sides', async () => {
    await attempt({ ca, ...strong }, { ...strong, ca, verifyPeer: true }, { hostName: 'disk.example' })
  })
})

it('G4: quotes the names in a certificate', async () => {
  const evil = authority.issue({ commonName: 'disk\u009b31m\u202eexample' })
  const error = await failure({ ca }, evil, { hostName: 'tape.example' })
  expect(error.message).toContain('certificate is for "disk\\u009b31m\\u202eexample", not for "tape.example"')
})

it('G8: eleven upgrades with one signal print no MaxListenersExceededWarning', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  const abort = new AbortController()
  const { signal } = abort
  const pairs = await Promise.all(Array.from({ length: 11 }, tcpPair))
  const settled = Promise.allSettled(
    pairs.flatMap(({ client, server }) => [
      nodeTls({ ca }).upgrade(handover(client, { signal })),
      nodeTlsServer(good).upgrade(handover(server, { signal })),
    ]),
  )
  await new Promise(setImmediate)
  abort.abort(new Error('enough'))
  for (const { status } of await settled) expect(status).toBe('rejected')
  process.off('warning', onWarning)
  expect(warnings).toEqual([])
})

describe('a pre-shared key', () => {
  const server = { psk: [alice] }

  it.each([
    ['is not the key of the user', { ...alice, key: bob.key }],
    ['is of a user that the server does not know', bob],
  ])('%s', async (_, psk) => {
    const error = await failure({ psk }, server)
    expect(error.message).toMatch(/username|pre-shared key/)
  })

  it('is not replaced by a certificate', async () => {
    const error = await failure({ psk: alice }, good)
    expect(error.message).toMatch(/instead of a proof|no cipher suite|does it accept pre-shared keys/)
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('is proved in %s', async (version) => {
    await attempt({ psk: alice, minVersion: version }, { psk: [alice], minVersion: version })
  })

  it('uses AES first, which is twice as fast', async () => {
    const pair = await tcpPair()
    const accepting = nodeTlsServer(server).upgrade(handover(pair.server))
    const client = (await nodeTls({ psk: alice }).upgrade(handover(pair.client))) as Connection & {
      socket: tls.TLSSocket
    }
    expect(client.socket.getCipher().name).toBe('TLS_AES_128_GCM_SHA256')
    const accepted = await accepting
    client.destroy()
    accepted.destroy()
  })
})

it('inspect() shows no secret', async () => {
  const key = Buffer.from('a secret that must not be shown')
  const shown = [
    inspect(nodeTls({ psk: { username: 'alice', key } }), { depth: 9, showHidden: true }),
    inspect(nodeTlsServer({ psk: [{ username: 'alice', key }] }), { depth: 9, showHidden: true }),
    inspect(await failure({ psk: { username: 'alice', key } }, { psk: [alice] }), { depth: 9 }),
  ].join()
  expect(shown).not.toContain('secret')
  expect(shown).not.toContain(key.toString('hex'))
})
