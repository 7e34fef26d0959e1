import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { type Connection, NbdTransportError } from '@nbdjs/core'
import { Cid, localCid, supportsVsock, vsock } from '@nbdjs/transport-vsock'
import { startReader } from './byte-reader.js'
import { type Nbdkit, startNbdkit } from './nbdkit.js'
import { SilentMachine } from './silent-machine.js'
import { VsockListener } from './vsock-listener.js'

const MiB = 1024 * 1024
const UNUSED_PORT = 9

const never = new AbortController().signal

const openDescriptors = (): number => readdirSync('/proc/self/fd').length

async function close(connection: Connection): Promise<void> {
  connection.destroy()
  await connection.close()
}

function rejectsWith(dial: Promise<Connection>, errno: string, message: RegExp): Promise<void> {
  return assert.rejects(dial, (error) => {
    assert.ok(error instanceof NbdTransportError)
    assert.equal(error.errno, errno)
    assert.equal(error.operation, 'dial')
    assert.match(error.message, message)
    return true
  })
}

describe('the transport', () => {
  let nbdkit: Nbdkit
  let silent: SilentMachine

  before(async () => {
    nbdkit = await startNbdkit('pattern', 'size=1G')
    silent = new SilentMachine()
  })

  after(async () => {
    silent.close()
    await nbdkit.stop()
  })

  it('is supported', () => {
    assert.equal(supportsVsock(), true)
    assert.equal(localCid(), Cid.Host)
  })

  it('delivers the greeting of nbdkit', async () => {
    const connection = await vsock(Cid.Local, nbdkit.port).dial({ signal: never })
    const reader = startReader(connection)
    const greeting = await reader.bytes(18)
    assert.equal(Buffer.from(greeting.subarray(0, 16)).toString(), 'NBDMAGICIHAVEOPT')
    connection.destroy()
    assert.equal(await reader.closedWith, undefined)
  })

  it('rejects with ECONNRESET if no server listens', async () => {
    const dial = vsock(Cid.Local, UNUSED_PORT).dial({ signal: never })
    await rejectsWith(dial, 'ECONNRESET', /CID 1 refuses connections to port 9; does a server listen there/)
  })

  it('rejects with ENODEV if no machine has the CID', async () => {
    const dial = vsock(999_999, 10809).dial({ signal: never })
    await rejectsWith(dial, 'ENODEV', /no machine with CID 999999 can be reached from here/)
  })

  it('rejects after the connect timeout', async () => {
    const dial = vsock(silent.cid, 10809, { connectTimeoutMs: 100 }).dial({ signal: never })
    await rejectsWith(dial, 'ETIMEDOUT', /no answer to connect within 100 ms/)
  })

  it('rejects after the timeout of the kernel', async () => {
    const dial = vsock(silent.cid, 10809).dial({ signal: never })
    await rejectsWith(dial, 'ETIMEDOUT', /no answer to connect within 2000 ms/)
  })

  it('rejects if it is aborted during the dial', async () => {
    const before = openDescriptors()
    const controller = new AbortController()
    const reason = new Error('aborted by the test')
    const dial = vsock(silent.cid, 10809, { connectTimeoutMs: 60_000 }).dial(controller)
    setTimeout(() => controller.abort(reason), 50)
    await assert.rejects(dial, reason)
    assert.equal(openDescriptors(), before)
  })

  it('leaves no descriptor open after 200 dials', async () => {
    const { transport: open, close: stopListening } = listen()
    const refused = vsock(Cid.Local, UNUSED_PORT)
    const unknown = vsock(999_999, 10809)
    const unanswered = vsock(silent.cid, 10809, { connectTimeoutMs: 5 })
    const dials = [
      async () => close(await vsock(Cid.Local, nbdkit.port).dial({ signal: never })),
      async () => close(await open.dial({ signal: never })),
      () => assert.rejects(refused.dial({ signal: never })),
      () => assert.rejects(unknown.dial({ signal: never })),
      () => assert.rejects(unanswered.dial({ signal: never })),
      () => assert.rejects(unanswered.dial({ signal: AbortSignal.timeout(1) })),
    ]
    for (const dial of dials) await dial()
    const before = openDescriptors()
    for (let count = 0; count < 200; count += 1) await dials[count % dials.length]?.()
    assert.equal(openDescriptors(), before)
    await stopListening()
  })

  it('returns false from write() while the peer does not read, and loses no byte', async () => {
    const listener = new VsockListener()
    const accepted = listener.acceptConnection()
    const connection = await listener.transport.dial({ signal: never })
    const receiver = startReader(connection)
    const peer = await accepted

    // The peer is not started: it reads nothing.
    const sent: Uint8Array[] = []
    do sent.push(new Uint8Array(MiB).fill(sent.length))
    while (connection.write(sent.slice(-1)) && sent.length < 256)
    assert.ok(sent.length < 256, 'write() returned true for 256 MiB')

    const drained = receiver.drain()
    const reader = startReader(peer)
    const received = await reader.bytes(sent.length * MiB)
    await drained
    assert.ok(Buffer.concat(sent).equals(received))

    const closed = connection.close()
    await reader.hasEnded
    await peer.close()
    await closed
    await listener.close()
  })
})

function listen(): { transport: VsockListener['transport']; close: () => Promise<void> } {
  const listener = new VsockListener()
  let isOpen = true
  const accepting = (async () => {
    while (isOpen) await close(await listener.acceptConnection())
  })().catch(() => {})
  return {
    transport: listener.transport,
    async close() {
      isOpen = false
      await listener.close()
      await accepting
    },
  }
}
