import { describe, expect, it } from '@jest/globals'
import { connect, type Handle, type HandleOptions, type StrictChecks } from '@nbdjs/core'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { type Installation, installations } from './peers/installation.js'
import { nbdkit } from './peers/nbdkit.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import type { ServerPeer } from './peers/server-peer.js'
import { transportTo } from './transport-to.js'

const MiB = 2 ** 20
const KiB = 1024
/** NBD_CMD_FLAG_PAYLOAD_LEN */
const payloadLen = 0x20

interface Case {
  readonly check: keyof StrictChecks
  readonly title: string
  readonly call: (nbd: Handle) => Promise<unknown>
  /** The error of the client while the check is on. */
  readonly refused: string
  /** The error of the server if the check is off; undefined if the server accepts the command. */
  readonly answered: string | undefined
  readonly options?: HandleOptions
}

/** The errors of a server with blocks of 512 bytes, a maximum of 64 KiB and no cache. */
const cases: readonly Case[] = [
  {
    check: 'commands',
    title: 'what is not offered',
    call: (nbd) => nbd.cache(512, 0),
    refused: 'EINVAL',
    answered: 'EINVAL',
  },
  {
    check: 'commands',
    title: 'the status of blocks without a context',
    call: (nbd) => nbd.blockStatus(512, 0),
    refused: 'ENOTSUP',
    answered: 'EINVAL',
  },
  {
    check: 'flags',
    title: 'a flag that nobody knows',
    call: (nbd) => nbd.pwrite(new Uint8Array(512), 0, { flags: 0x8000 }),
    refused: 'EINVAL',
    answered: 'EINVAL',
  },
  {
    check: 'flags',
    title: 'a flag of other commands, which it does not mind',
    call: (nbd) => nbd.pread(512, 0, { flags: 0x1 }),
    refused: 'EINVAL',
    answered: undefined,
  },
  {
    check: 'bounds',
    title: 'a read beyond the end',
    call: (nbd) => nbd.pread(512, MiB),
    refused: 'EINVAL',
    answered: 'EINVAL',
  },
  {
    check: 'bounds',
    title: 'a write beyond the end',
    call: (nbd) => nbd.pwrite(new Uint8Array(512), MiB),
    refused: 'ENOSPC',
    answered: 'ENOSPC',
  },
  {
    check: 'zeroSize',
    title: 'a read of nothing',
    call: (nbd) => nbd.pread(0, 0),
    refused: 'EINVAL',
    answered: 'EINVAL',
  },
  {
    check: 'zeroSize',
    title: 'a write of nothing',
    call: (nbd) => nbd.pwrite(new Uint8Array(0), 0),
    refused: 'EINVAL',
    answered: 'ENOSPC',
  },
  {
    check: 'align',
    title: 'an offset between two blocks',
    call: (nbd) => nbd.pread(512, 100),
    refused: 'EINVAL',
    answered: 'EINVAL',
  },
  {
    check: 'payload',
    title: 'a write beyond the maximum',
    call: (nbd) => nbd.pwrite(new Uint8Array(128 * KiB), 0),
    refused: 'ERANGE',
    answered: 'EINVAL',
  },
  {
    check: 'payload',
    title: 'a read beyond the maximum, in a simple reply',
    call: (nbd) => nbd.pread(128 * KiB, 0),
    refused: 'ERANGE',
    answered: 'EINVAL',
    options: { requestStructuredReplies: false },
  },
  {
    check: 'autoFlag',
    title: 'a payload where headers are compact',
    call: (nbd) => nbd.pwrite(new Uint8Array(512), 0, { flags: payloadLen }),
    // There is no check for this: the flag is omitted.
    refused: 'nothing',
    answered: 'EINVAL',
  },
]

/** The name of the error and its source. */
const outcomeOf = (calling: Promise<unknown>): Promise<string> =>
  calling.then(
    () => 'done',
    ({ code, errno }: { code: string; errno: string }) => `${code} ${errno}`,
  )

describe.each(installations)('%s', (installation) => {
  describeWith('each check of the client, with nbdkit', { programs: ['nbdkit'], installation }, () => {
    it('is on, and the server decides if it is off', async () => {
      const transport = transportTo(await strictServer(installation))
      for (const { check, title, call, refused, answered, options = {} } of cases) {
        const strict = await connect(transport, options)
        const first = await outcomeOf(call(strict))
        expect({ title, first }).toEqual({
          title,
          first: refused === 'nothing' ? 'done' : `ERR_NBD_USAGE ${refused}`,
        })
        const lax = await connect(transport, { ...options, strict: { [check]: false } })
        const second = await outcomeOf(call(lax))
        expect({ title, second }).toEqual({
          title,
          second: answered === undefined ? 'done' : `ERR_NBD_SERVER ${answered}`,
        })
        for (const nbd of [strict, lax]) {
          expect(await nbd.pread(512, 0)).toHaveLength(512)
          await nbd.shutdown()
        }
      }
    })
  })
})

describeWith(
  'NBD_CMD_FLAG_PAYLOAD_LEN, with qemu-nbd',
  { programs: ['qemu-nbd'], installation: 'newest' },
  () => {
    it('is set, or left to the caller', async () => {
      const transport = transportTo(await qemuNbd({ installation: 'newest', image: diskImage(MiB) }))
      const data = new Uint8Array(512).fill(7)
      const strict = await connect(transport)
      expect(strict.session.extendedHeaders).toBe(true)
      await strict.pwrite(data, 0)
      const lax = await connect(transport, { strict: { autoFlag: false } })
      await lax.pwrite(data, 512, { flags: payloadLen })
      expect(await lax.pread(1024, 0)).toEqual(new Uint8Array(1024).fill(7))
      await strict.shutdown()
      await lax.shutdown()
    })
  },
)

const strictServer = (installation: Installation): Promise<ServerPeer> =>
  nbdkit({
    installation,
    plugin: 'memory',
    filters: ['blocksize-policy', 'nocache'],
    parameters: [
      '1M',
      ...['blocksize-minimum=512', 'blocksize-preferred=4096', 'blocksize-maximum=64K'],
      'blocksize-error-policy=error',
    ],
  })
