import { describe, expect, it } from '@jest/globals'
import { Cmd, CommandFlag, ErrorValue, HandshakeFlag, Opt } from '@nbdjs/core/wire'
import { memoryBackend } from '@nbdjs/server'
import { noise } from '../peer/noise.js'
import { RawClient, type RequestFields } from '../peer/raw-client.js'

const requests: Readonly<Record<string, RequestFields>> = {
  NBD_CMD_READ: { type: Cmd.Read, length: 4 },
  NBD_CMD_WRITE: { type: Cmd.Write, data: noise(4) },
  NBD_CMD_FLUSH: { type: Cmd.Flush },
  NBD_CMD_TRIM: { type: Cmd.Trim, length: 4 },
  NBD_CMD_CACHE: { type: Cmd.Cache, length: 4 },
  NBD_CMD_WRITE_ZEROES: { type: Cmd.WriteZeroes, length: 4 },
}

describe.each(Object.entries(requests))('%s', (_, request) => {
  // spec: server/command-flags/fua-on-any-command
  it('may have NBD_CMD_FLAG_FUA', () => {
    const client = new RawClient().enter()
    client.send({ ...request, flags: CommandFlag.Fua })
    expect(client.simpleReply().error).toBe(0)
  })

  // spec: server/cache/unknown-flags
  it.each([0x40, 0x8000])('is rejected with the unknown flag %i', (flags) => {
    const client = new RawClient().enter()
    client.send({ ...request, flags })
    expect(client.simpleReply().error).toBe(ErrorValue.EINVAL)
    expect(client.isAlive).toBe(true)
  })
})

// spec: server/cache/no-other-effect
it('NBD_CMD_CACHE does not affect later reads, writes and zeroes', () => {
  const [cached, other] = [true, false].map((isCached) => {
    const client = new RawClient({
      exports: { '': memoryBackend(200_000, { content: noise(100_000) }) },
    }).enter()
    if (isCached) {
      client.send({ type: Cmd.Cache, length: 200_000 })
      expect(client.simpleReply().error).toBe(0)
    }
    client.send({ type: Cmd.Write, offset: 50, data: noise(70_000, 2) })
    client.send({ type: Cmd.WriteZeroes, offset: 20_000, length: 70_000 })
    client.connection.take()
    client.send({ type: Cmd.Read, length: 200_000 })
    return client.simpleReply()
  })
  expect(cached?.data.length).toBe(200_000)
  expect(cached).toEqual(other)
})

// spec: server/go/no-zeroes
it.each([HandshakeFlag.FixedNewstyle, HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes])(
  'NBD_OPT_GO is followed by no padding, with the client flags %i',
  (flags) => {
    const client = new RawClient().greet(flags)
    // Padding would be parsed as another reply.
    const replies = client.inform(Opt.Go)
    expect(replies).toHaveLength(2)
    client.send({ type: Cmd.Read, length: 4, cookie: 5n })
    expect(client.simpleReply()).toEqual({ error: 0, cookie: 5n, data: new Uint8Array(4) })
  },
)
