import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Cid, localCid, supportsVsock, vsock } from '@nbdjs/transport-vsock'
import { startReader } from './byte-reader.js'
import { type Nbdkit, startNbdkit } from './nbdkit.js'

const never = new AbortController().signal

describe('the transport', { timeout: 60_000 }, () => {
  let nbdkit: Nbdkit
  before(async () => {
    nbdkit = await startNbdkit('pattern', 'size=1G')
  })
  after(() => nbdkit.stop())

  it('is supported', () => {
    assert.equal(supportsVsock(), true)
    assert.equal(localCid(), Cid.Host)
  })

  it('delivers the greeting of a server', async () => {
    const connection = await vsock(Cid.Local, nbdkit.port).dial({ signal: never })
    const reader = startReader(connection)
    const greeting = await reader.bytes(18)
    assert.equal(Buffer.from(greeting.subarray(0, 16)).toString(), 'NBDMAGICIHAVEOPT')
    connection.destroy()
    assert.equal(await reader.closedWith, undefined)
  })
})
