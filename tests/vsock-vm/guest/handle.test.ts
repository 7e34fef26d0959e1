import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { connect, connectUri, Handle, NbdTransportError } from '@nbdjs/core'
import { Cid, vsock } from '@nbdjs/transport-vsock'
import { type Nbdkit, startNbdkit } from './nbdkit.js'

const KiB = 1024
const MiB = 1024 * KiB
const UNUSED_PORT = 9

const openDescriptors = (): number => readdirSync('/proc/self/fd').length

/** The data of the pattern plugin below 2^32: each 8 bytes are their own offset, big-endian. */
function patternAt(offset: number, length: number): Buffer {
  const words = new Uint32Array(length / 4)
  for (let word = 1; word < words.length; word += 2) words[word] = offset + 4 * (word - 1)
  return Buffer.from(words.buffer).swap32()
}

describe('a handle over vsock', () => {
  let pattern: Nbdkit
  let memory: Nbdkit

  before(async () => {
    ;[pattern, memory] = await Promise.all([
      startNbdkit('pattern', 'size=1G'),
      startNbdkit('memory', 'size=64M'),
    ])
  })

  after(async () => {
    await Promise.all([pattern.stop(), memory.stop()])
  })

  // libnbd: nbd_connect_vsock, nbd_aio_connect_vsock
  it('connects, reads and shuts down, and leaves no descriptor open', async () => {
    const before = openDescriptors()
    const nbd = new Handle()
    const info = await nbd.connect(vsock(Cid.Local, pattern.port))
    assert.equal(nbd.state, 'ready')
    assert.equal(info.size, 1024n ** 3n)
    assert.equal(nbd.session.protocol, 'newstyle-fixed')
    assert.ok(patternAt(512, 4096).equals(await nbd.pread(4096, 512)))
    await nbd.shutdown()
    assert.equal(nbd.state, 'closed')
    await nbd.closed
    assert.equal(openDescriptors(), before)
  })

  it('has a uri that connects to the same export', async () => {
    const nbd = await connect(vsock(Cid.Local, pattern.port), { exportName: 'a/é' })
    assert.equal(nbd.uri, `nbd+vsock://1:${pattern.port}/a/%C3%A9`)
    const again = await connectUri(nbd.uri, { transports: { vsock } })
    assert.equal(again.info.name, 'a/é')
    assert.equal(again.uri, nbd.uri)
    await Promise.all([nbd.shutdown(), again.shutdown()])
  })

  it('reads 64 MiB of the pattern plugin unchanged', async () => {
    const nbd = await connect(vsock(Cid.Local, pattern.port))
    const reads = Array.from({ length: 64 }, (_, index) => nbd.pread(MiB, index * MiB))
    for (const [index, read] of reads.entries()) {
      assert.ok(patternAt(index * MiB, MiB).equals(await read), `MiB ${index} differs`)
    }
    await nbd.shutdown()
  })

  it('returns the right data to each of 1000 reads in flight', async () => {
    const nbd = await connect(vsock(Cid.Local, pattern.port))
    const offsets = Array.from({ length: 1000 }, (_, index) => ((index * 7919) % 100_000) * 4 * KiB)
    const pieces = await Promise.all(offsets.map((offset) => nbd.pread(4 * KiB, offset)))
    for (const [index, offset] of offsets.entries()) {
      assert.ok(
        patternAt(offset, 4 * KiB).equals(pieces[index] as Uint8Array),
        `the piece at ${offset} differs`,
      )
    }
    await nbd.shutdown()
  })

  it('writes, reads back and zeroes', async () => {
    const nbd = await connect(vsock(Cid.Local, memory.port))
    const data = randomBytes(8 * MiB)
    const piece = 512 * KiB
    const offset = 12_345 * 512
    for (let start = 0; start < data.length; start += piece) {
      await nbd.pwrite(data.subarray(start, start + piece), offset + start)
    }
    await nbd.flush()
    assert.ok(data.equals(await nbd.pread(data.length, offset)))
    await nbd.zero(MiB, offset)
    assert.ok(Buffer.alloc(MiB).equals(await nbd.pread(MiB, offset)))
    assert.ok(data.subarray(MiB).equals(await nbd.pread(data.length - MiB, offset + MiB)))
    await nbd.shutdown()
  })

  it('connects to two servers at once', async () => {
    const [reader, writer] = await Promise.all([
      connect(vsock(Cid.Local, pattern.port)),
      connect(vsock(Cid.Local, memory.port)),
    ])
    const data = await reader.pread(4 * MiB, 256 * MiB)
    await writer.pwrite(data, 0)
    assert.ok(patternAt(256 * MiB, 4 * MiB).equals(await writer.pread(4 * MiB, 0)))
    await Promise.all([reader.shutdown(), writer.shutdown()])
  })

  it('is dead if no server listens', async () => {
    const nbd = new Handle()
    await assert.rejects(nbd.connect(vsock(Cid.Local, UNUSED_PORT)), (error) => {
      assert.ok(error instanceof NbdTransportError)
      assert.equal(error.errno, 'ECONNRESET')
      return true
    })
    assert.equal(nbd.state, 'dead')
  })

  it('settles every command if the server exits', async () => {
    const before = openDescriptors()
    const doomed = await startNbdkit('pattern', 'size=1G')
    const nbd = await connect(vsock(Cid.Local, doomed.port))
    await nbd.pread(4 * KiB, 0)
    const reads = Array.from({ length: 32 }, (_, index) => nbd.pread(4 * MiB, index * 4 * MiB))
    const settled = Promise.allSettled(reads)
    await doomed.stop()
    const rejected = (await settled).filter(({ status }) => status === 'rejected')
    assert.ok(rejected.length > 0, 'all 128 MiB were read before nbdkit ended')
    await assert.rejects(nbd.closed, { errno: 'ENOTCONN', isConnectionLost: true })
    assert.equal(nbd.state, 'dead')
    assert.equal(openDescriptors(), before)
  })
})
