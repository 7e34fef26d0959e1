import { describe, expect, test } from '@jest/globals'
import { type Handle, type HandleOptions, NbdUsageError, type StrictChecks } from '@nbdjs/core'
import { Cmd, CommandFlag, encodeInfoBlockSize, TransmissionFlag } from '@nbdjs/core/wire'
import { ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { EVERYTHING, type Offer, type ReceivedRequest } from './scripted-server.js'
import { rejection, settled } from './settle-promises.js'

watchLeaks()

const { HasFlags, ReadOnly, SendFlush, SendFua, SendTrim, SendWriteZeroes, SendCache, SendFastZero } =
  TransmissionFlag
const MIB = 1024 * 1024
const GIB = 1024 * MIB

const without = (flag: number): number => EVERYTHING & ~flag
/** A whole set of sizes, of which one is looked at. */
const sizes = (minimum: number, maximum: number): Offer => ({
  infos: [encodeInfoBlockSize({ minimum, preferred: 4096, maximum })],
})
const zeroes = (length: number): Uint8Array => new Uint8Array(length)
const untyped = (options: object): never => options as never

interface Case {
  /** The check that rejects it, and accepts it when it is off. */
  readonly check: keyof StrictChecks
  readonly title: string
  readonly offer?: Offer
  readonly call: (handle: Handle) => Promise<unknown>
  readonly message: string
  readonly errno: string
  /** What is sent once the check is off. */
  readonly sent: Partial<ReceivedRequest> & { readonly type: Cmd }
}

const cases: readonly Case[] = [
  // commands: what the server does not offer
  {
    check: 'commands',
    title: 'pwrite to a read-only export',
    offer: { flags: EVERYTHING | ReadOnly },
    call: (handle) => handle.pwrite(zeroes(1), 0),
    message: 'pwrite: the export is read-only',
    errno: 'EPERM',
    sent: { type: Cmd.Write },
  },
  {
    check: 'commands',
    title: 'trim of a read-only export',
    offer: { flags: EVERYTHING | ReadOnly },
    call: (handle) => handle.trim(1, 0),
    message: 'trim: the export is read-only',
    errno: 'EPERM',
    sent: { type: Cmd.Trim },
  },
  {
    check: 'commands',
    title: 'zero of a read-only export',
    offer: { flags: EVERYTHING | ReadOnly },
    call: (handle) => handle.zero(1, 0),
    message: 'zero: the export is read-only',
    errno: 'EPERM',
    sent: { type: Cmd.WriteZeroes },
  },
  // spec: client/flush/if-offered, client/transmission-flags/obeyed
  {
    check: 'commands',
    title: 'flush that is not offered',
    offer: { flags: without(SendFlush) },
    call: (handle) => handle.flush(),
    message: 'flush: the server does not offer it (canFlush is false)',
    errno: 'EINVAL',
    sent: { type: Cmd.Flush },
  },
  // spec: client/trim/if-offered, client/transmission-flags/obeyed
  {
    check: 'commands',
    title: 'trim that is not offered',
    offer: { flags: without(SendTrim) },
    call: (handle) => handle.trim(1, 0),
    message: 'trim: the server does not offer it (canTrim is false)',
    errno: 'EINVAL',
    sent: { type: Cmd.Trim },
  },
  // spec: client/write-zeroes/if-offered, client/transmission-flags/obeyed
  {
    check: 'commands',
    title: 'zero that is not offered',
    offer: { flags: without(SendWriteZeroes) },
    call: (handle) => handle.zero(1, 0),
    message: 'zero: the server does not offer it (canZero is false)',
    errno: 'EINVAL',
    sent: { type: Cmd.WriteZeroes },
  },
  // spec: client/transmission-flags/obeyed
  {
    check: 'commands',
    title: 'cache that is not offered',
    offer: { flags: without(SendCache) },
    call: (handle) => handle.cache(1, 0),
    message: 'cache: the server does not offer it (canCache is false)',
    errno: 'EINVAL',
    sent: { type: Cmd.Cache },
  },
  // spec: client/transmission-flags/obeyed
  {
    check: 'commands',
    title: 'fua that is not offered',
    offer: { flags: without(SendFua) },
    call: (handle) => handle.pwrite(zeroes(1), 0, { fua: true }),
    message: 'pwrite: fua: the server does not offer it (canFua is false)',
    errno: 'EINVAL',
    sent: { type: Cmd.Write, flags: CommandFlag.Fua },
  },
  // spec: client/transmission-flags/fast-zero-if-offered
  {
    check: 'commands',
    title: 'fastZero that is not offered',
    offer: { flags: without(SendFastZero) },
    call: (handle) => handle.zero(1, 0, { fastZero: true }),
    message: 'zero: fastZero: the server does not offer it (canFastZero is false)',
    errno: 'EINVAL',
    sent: { type: Cmd.WriteZeroes, flags: CommandFlag.FastZero },
  },
  // spec: client/transmission-flags/df-if-offered
  {
    check: 'commands',
    title: 'df that is not offered',
    call: (handle) => handle.preadStructured(zeroes(1), 0, () => {}, { df: true }),
    message: 'preadStructured: df: the server does not offer it (canDf is false)',
    errno: 'EINVAL',
    sent: { type: Cmd.Read, flags: CommandFlag.Df },
  },

  // flags: what does not belong to the command
  // spec: client/command-flags/only-where-they-belong
  {
    check: 'flags',
    title: 'pread with fua',
    call: (handle) => handle.pread(1, 0, untyped({ fua: true })),
    message: 'pread: fua: this flag does not belong to the command',
    errno: 'EINVAL',
    sent: { type: Cmd.Read, flags: CommandFlag.Fua },
  },
  {
    check: 'flags',
    title: 'preadInto with noHole',
    call: (handle) => handle.preadInto(zeroes(1), 0, untyped({ noHole: true })),
    message: 'preadInto: noHole: this flag does not belong to the command',
    errno: 'EINVAL',
    sent: { type: Cmd.Read, flags: CommandFlag.NoHole },
  },
  // spec: client/command-flags/only-where-they-belong
  {
    check: 'flags',
    title: 'pwrite with fastZero',
    call: (handle) => handle.pwrite(zeroes(1), 0, untyped({ fastZero: true })),
    message: 'pwrite: fastZero: this flag does not belong to the command',
    errno: 'EINVAL',
    sent: { type: Cmd.Write, flags: CommandFlag.FastZero },
  },
  // spec: client/command-flags/only-where-they-belong
  {
    check: 'flags',
    title: 'trim with noHole',
    call: (handle) => handle.trim(1, 0, untyped({ fua: true, noHole: true })),
    message: 'trim: noHole: this flag does not belong to the command',
    errno: 'EINVAL',
    sent: { type: Cmd.Trim, flags: CommandFlag.Fua | CommandFlag.NoHole },
  },
  {
    check: 'flags',
    title: 'cache with fua',
    call: (handle) => handle.cache(1, 0, untyped({ fua: true })),
    message: 'cache: fua: this flag does not belong to the command',
    errno: 'EINVAL',
    sent: { type: Cmd.Cache, flags: CommandFlag.Fua },
  },
  // spec: client/command-flags/only-where-they-belong
  {
    check: 'flags',
    title: 'flush with fua',
    call: (handle) => handle.flush(untyped({ fua: true })),
    message: 'flush: fua: this flag does not belong to the command',
    errno: 'EINVAL',
    sent: { type: Cmd.Flush, flags: CommandFlag.Fua },
  },
  ...(
    [
      ['no flag of any command', 0x8000, 'flags 0x8000'],
      ['a flag of another command, and its own', CommandFlag.NoHole | CommandFlag.Fua, 'noHole'],
      ['the sixteenth bit and the seventh', 0x8040, 'flags 0x8040'],
    ] as const
  ).map(
    ([title, flags, which]): Case => ({
      check: 'flags',
      title: `bits: ${title}`,
      call: (handle) => handle.pwrite(zeroes(1), 0, { flags }),
      message: `pwrite: ${which}: this flag does not belong to the command`,
      errno: 'EINVAL',
      sent: { type: Cmd.Write, flags },
    }),
  ),

  // spec: client/size-constraints/within-the-export
  // bounds: ENOSPC where it would write, EINVAL elsewhere
  ...(
    [
      ['pread', (handle: Handle) => handle.pread(2, MIB - 1), 'EINVAL', Cmd.Read],
      ['preadInto', (handle: Handle) => handle.preadInto(zeroes(2), MIB - 1), 'EINVAL', Cmd.Read],
      ['cache', (handle: Handle) => handle.cache(2, MIB - 1), 'EINVAL', Cmd.Cache],
      ['pwrite', (handle: Handle) => handle.pwrite(zeroes(2), MIB - 1), 'ENOSPC', Cmd.Write],
      ['trim', (handle: Handle) => handle.trim(2, MIB - 1), 'ENOSPC', Cmd.Trim],
      ['zero', (handle: Handle) => handle.zero(2, MIB - 1), 'ENOSPC', Cmd.WriteZeroes],
    ] as const
  ).map(
    ([name, call, errno, type]): Case => ({
      check: 'bounds',
      title: `${name} across the end`,
      call,
      message: `${name}: 2 bytes at offset 1048575 reach beyond the end of the export, 1048576 bytes`,
      errno,
      sent: { type, offset: MIB - 1, length: 2 },
    }),
  ),
  // spec: client/size-constraints/within-the-export
  {
    check: 'bounds',
    title: 'pread far beyond the end',
    call: (handle) => handle.pread(1, 2n ** 63n - 1n),
    message: 'pread: 1 bytes at offset 9223372036854775807 reach beyond the end of the export, 1048576 bytes',
    errno: 'EINVAL',
    sent: { type: Cmd.Read, offset: 2n ** 63n - 1n },
  },

  // zeroSize
  ...(
    [
      ['pread', 'length', (handle: Handle) => handle.pread(0, 0), Cmd.Read],
      ['preadInto', 'buffer', (handle: Handle) => handle.preadInto(zeroes(0), 0), Cmd.Read],
      ['pwrite', 'data', (handle: Handle) => handle.pwrite(zeroes(0), 0), Cmd.Write],
      ['zero', 'length', (handle: Handle) => handle.zero(0, 0), Cmd.WriteZeroes],
      ['trim', 'length', (handle: Handle) => handle.trim(0, 0), Cmd.Trim],
      ['cache', 'length', (handle: Handle) => handle.cache(0, 0), Cmd.Cache],
    ] as const
  ).map(
    ([name, argument, call, type]): Case => ({
      check: 'zeroSize',
      title: `${name} of nothing`,
      call,
      message: `${name}: ${argument}: expected at least 1 byte, received 0`,
      errno: 'EINVAL',
      sent: { type, length: 0 },
    }),
  ),

  // align: offset and length to the server's minimum
  // spec: client/size-constraints/aligned
  {
    check: 'align',
    title: 'a length that is not aligned',
    offer: sizes(512, 0xffffffff),
    call: (handle) => handle.pread(511, 512),
    message: 'pread: 511 bytes at offset 512 are not aligned to info.blockSize.minimum, 512 bytes',
    errno: 'EINVAL',
    sent: { type: Cmd.Read, length: 511 },
  },
  // spec: client/size-constraints/aligned
  {
    check: 'align',
    title: 'an offset that is not aligned',
    offer: { ...sizes(512, 0xffffffff), size: 2n ** 62n },
    call: (handle) => handle.trim(512, 2n ** 61n + 1n),
    message:
      'trim: 512 bytes at offset 2305843009213693953 are not aligned to info.blockSize.minimum, 512 bytes',
    errno: 'EINVAL',
    sent: { type: Cmd.Trim, offset: 2n ** 61n + 1n },
  },

  // payload: writes, and reads in simple replies
  // spec: client/size-constraints/payload, client/size-constraints/obey
  {
    check: 'payload',
    title: 'pwrite beyond the maximum that was advertised',
    offer: { ...sizes(1, 2 * MIB), size: GIB },
    call: (handle) => handle.pwrite(zeroes(2 * MIB + 1), 0),
    message: 'pwrite: data: expected at most 2097152 bytes (info.blockSize.payload), received 2097153',
    errno: 'ERANGE',
    sent: { type: Cmd.Write, length: 2 * MIB + 1 },
  },
  // spec: client/size-constraints/payload
  {
    check: 'payload',
    title: 'pwrite beyond a maximum that is small',
    offer: sizes(1, 4096),
    call: (handle) => handle.pwrite(zeroes(4097), 0),
    message: 'pwrite: data: expected at most 4096 bytes (info.blockSize.payload), received 4097',
    errno: 'ERANGE',
    sent: { type: Cmd.Write, length: 4097 },
  },
  // spec: client/size-constraints/payload, client/size-constraints/obey
  ...(
    [
      ['pread', 'length', (handle: Handle) => handle.pread(4097, 0)],
      ['preadInto', 'buffer', (handle: Handle) => handle.preadInto(zeroes(4097), 0)],
      ['preadStructured', 'buffer', (handle: Handle) => handle.preadStructured(zeroes(4097), 0, () => {})],
    ] as const
  ).map(
    ([name, argument, call]): Case => ({
      check: 'payload',
      title: `${name} in a simple reply beyond the maximum that was advertised`,
      offer: sizes(1, 4096),
      call,
      message: `${name}: ${argument}: expected at most 4096 bytes (info.blockSize.payload), received 4097`,
      errno: 'ERANGE',
      sent: { type: Cmd.Read, length: 4097 },
    }),
  ),
  {
    check: 'payload',
    title: 'pwrite beyond what every server takes',
    offer: { size: GIB },
    call: (handle) => handle.pwrite(zeroes(32 * MIB + 1), 0),
    message: 'pwrite: data: expected at most 33554432 bytes (info.blockSize.payload), received 33554433',
    errno: 'ERANGE',
    sent: { type: Cmd.Write, length: 32 * MIB + 1 },
  },
]

async function expectRefusal(
  call: (handle: Handle) => Promise<unknown>,
  offer: Offer | undefined,
  options: HandleOptions | undefined,
  expected: { readonly message: string; readonly errno: string },
): Promise<void> {
  const { handle, server } = await ready(offer, options)
  const { bytesFromClient } = server
  const error = await rejection(call(handle))
  expect(error).toBeInstanceOf(NbdUsageError)
  expect(error).toMatchObject(expected)
  await settled()
  expect(server.bytesFromClient).toBe(bytesFromClient)
  expect(handle).toMatchObject({ state: 'ready', inFlight: 0 })
  handle.destroy()
}

describe('on, by default', () => {
  // spec: client/baseline/negotiate-the-rest
  test.each(cases)('$check rejects $title', async ({ call, offer, message, errno }) => {
    await expectRefusal(call, offer, undefined, { message, errno })
  })

  test.each(cases)('$check rejects $title, with every other check off', async ({ check, ...rest }) => {
    const { call, offer, message, errno } = rest
    const strict = {
      commands: false,
      flags: false,
      bounds: false,
      zeroSize: false,
      align: false,
      payload: false,
      [check]: true,
    }
    await expectRefusal(call, offer, { strict }, { message, errno })
  })
})

describe('off', () => {
  const variants = cases.flatMap((each) => [
    { ...each, how: 'alone', strict: { [each.check]: false } },
    { ...each, how: 'with all others', strict: false },
  ])

  // libnbd: nbd_set_strict_mode
  test.each(variants)('$check ($how) lets $title pass', async ({ call, offer, sent, strict }) => {
    const { handle, server } = await ready(offer, { strict })
    const calling = call(handle).catch((error: unknown) => error)
    const request = await server.request(sent.type, sent)
    expect(request).toMatchObject(sent)
    expect(handle.inFlight).toBe(1)
    handle.destroy()
    await calling
  })
})

describe('never off: the limits of one request', () => {
  const size = 2n ** 40n
  test.each([
    [
      'pread',
      (handle: Handle) => handle.pread(64 * MIB + 1, 0),
      'length: expected at most 67108864 bytes, received 67108865',
    ],
    [
      'pread',
      (handle: Handle) => handle.pread(2 ** 53 - 1, 0),
      'length: expected at most 67108864 bytes, received 9007199254740991',
    ],
    [
      'preadInto',
      (handle: Handle) => handle.preadInto(zeroes(64 * MIB + 1), 0),
      'buffer: expected at most 67108864 bytes, received 67108865',
    ],
    [
      'pwrite',
      (handle: Handle) => handle.pwrite(zeroes(64 * MIB + 1), 0),
      'data: expected at most 67108864 bytes, received 67108865',
    ],
    [
      'trim',
      (handle: Handle) => handle.trim(2 ** 32, 0),
      'length: expected at most 4294963200 bytes, received 4294967296',
    ],
    [
      'zero',
      (handle: Handle) => handle.zero(2 ** 32, 0),
      'length: expected at most 4294963200 bytes, received 4294967296',
    ],
    [
      'cache',
      (handle: Handle) => handle.cache(2 ** 32, 0),
      'length: expected at most 4294963200 bytes, received 4294967296',
    ],
    [
      'trim',
      (handle: Handle) => handle.trim(2n ** 64n, 0),
      'length: expected at most 4294963200 bytes, received 18446744073709551616',
    ],
  ])('%s %#', async (name, call, complaint) => {
    await expectRefusal(
      call,
      { size },
      { strict: false },
      { message: `${name}: ${complaint}`, errno: 'ERANGE' },
    )
  })

  test.each([
    ['pread of 64 MiB', Cmd.Read, (handle: Handle) => handle.pread(64 * MIB, 0), 64 * MIB],
    ['trim of 4 GiB less one', Cmd.Trim, (handle: Handle) => handle.trim(2 ** 32 - 1, 0), 2 ** 32 - 1],
    ['zero of 4 GiB less one', Cmd.WriteZeroes, (handle: Handle) => handle.zero(2 ** 32 - 1, 0), 2 ** 32 - 1],
  ] as const)('%s is the longest', async (_, type, call, length) => {
    const { handle, server } = await ready({ size })
    const calling = call(handle).catch(() => {})
    await server.request(type, { length })
    handle.destroy()
    await calling
  })

  test('a pwrite of 64 MiB is the longest, if the server accepts it', async () => {
    const { handle, server } = await ready({ ...sizes(1, 0xffffffff), size })
    expect(handle.info.blockSize.payload).toBe(64 * MIB)
    const calling = handle.pwrite(zeroes(64 * MIB), 0).catch(() => {})
    const header = await server.read(28)
    expect(new DataView(header.buffer).getUint32(24)).toBe(64 * MIB)
    handle.destroy()
    await calling
  })
})

describe('the order of the checks', () => {
  const offer = {
    ...sizes(512, 2 * MIB),
    size: MIB,
    flags: HasFlags | ReadOnly,
  }
  const everythingWrong = (handle: Handle): Promise<unknown> =>
    handle.zero(0, MIB + 1, untyped({ fastZero: true, df: true }))

  /** Switches off one check after the other: the next one speaks. */
  const order: readonly [keyof StrictChecks, string, string][] = [
    ['flags', 'zero: df: this flag does not belong to the command', 'EINVAL'],
    ['commands', 'zero: the server does not offer it (canZero is false)', 'EINVAL'],
    ['zeroSize', 'zero: length: expected at least 1 byte, received 0', 'EINVAL'],
    ['bounds', 'zero: 0 bytes at offset 1048577 reach beyond the end of the export, 1048576 bytes', 'ENOSPC'],
    [
      'align',
      'zero: 0 bytes at offset 1048577 are not aligned to info.blockSize.minimum, 512 bytes',
      'EINVAL',
    ],
  ]

  test.each(order.map(([, message, errno], index) => ({ index, message, errno })))(
    '$index: $message',
    async ({ index, message, errno }) => {
      const strict = Object.fromEntries(order.slice(0, index).map(([check]) => [check, false]))
      await expectRefusal(everythingWrong, offer, { strict }, { message, errno })
    },
  )

  test('the check of the end precedes that of the length: 65 MiB of a small export is EINVAL', async () => {
    await expectRefusal((handle) => handle.pread(65 * MIB, 0), undefined, undefined, {
      message: 'pread: 68157440 bytes at offset 0 reach beyond the end of the export, 1048576 bytes',
      errno: 'EINVAL',
    })
  })

  test.each([
    ['a missing ability', HasFlags | ReadOnly, 'the server does not offer it (canTrim is false)', 'EINVAL'],
    ['then a read-only export', HasFlags | ReadOnly | SendTrim, 'the export is read-only', 'EPERM'],
    ['then a flag', HasFlags | SendTrim, 'fua: the server does not offer it (canFua is false)', 'EINVAL'],
  ])('F3: a trim reports first %s', async (_, flags, why, errno) => {
    const trim = (handle: Handle): Promise<unknown> => handle.trim(1, 0, { fua: true })
    await expectRefusal(trim, { flags }, undefined, { message: `trim: ${why}`, errno })
  })

  test.each([
    ['a missing ability', HasFlags | ReadOnly, 'the server does not offer it (canZero is false)', 'EINVAL'],
    ['then a read-only export', HasFlags | ReadOnly | SendWriteZeroes, 'the export is read-only', 'EPERM'],
    [
      'then a flag',
      HasFlags | SendWriteZeroes,
      'fastZero: the server does not offer it (canFastZero is false)',
      'EINVAL',
    ],
  ])('F3: a zero reports first %s', async (_, flags, why, errno) => {
    const zero = (handle: Handle): Promise<unknown> => handle.zero(1, 0, { fastZero: true })
    await expectRefusal(zero, { flags }, undefined, { message: `zero: ${why}`, errno })
  })

  test('a wrong argument precedes all of them', async () => {
    await expectRefusal((handle) => handle.pwrite(zeroes(0), -1), { flags: HasFlags | ReadOnly }, undefined, {
      message: 'pwrite: offset: expected a safe integer or a bigint, at least 0, received -1',
      errno: 'EINVAL',
    })
  })
})

describe('F5: an offset or length beyond 2^63 fails like one beyond the end of the export', () => {
  const far = [2n ** 40n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 80n]
  const commands = [
    ['pread', (handle: Handle, length: bigint, offset: bigint) => handle.pread(length, offset), 'EINVAL'],
    ['cache', (handle: Handle, length: bigint, offset: bigint) => handle.cache(length, offset), 'EINVAL'],
    ['trim', (handle: Handle, length: bigint, offset: bigint) => handle.trim(length, offset), 'ENOSPC'],
    ['zero', (handle: Handle, length: bigint, offset: bigint) => handle.zero(length, offset), 'ENOSPC'],
  ] as const
  const ranges = commands.flatMap(([name, call, errno]) => far.map((value) => ({ name, call, errno, value })))

  test.each(ranges)('$name at offset $value', async ({ name, call, errno, value }) => {
    await expectRefusal((handle) => call(handle, 512n, value), undefined, undefined, {
      message: `${name}: 512 bytes at offset ${value} reach beyond the end of the export, 1048576 bytes`,
      errno,
    })
  })

  test.each(ranges)('$name of $value bytes', async ({ name, call, errno, value }) => {
    await expectRefusal((handle) => call(handle, value, 0n), undefined, undefined, {
      message: `${name}: ${value} bytes at offset 0 reach beyond the end of the export, 1048576 bytes`,
      errno,
    })
  })

  test.each([
    ['preadInto', (handle: Handle) => handle.preadInto(zeroes(512), 2n ** 63n), 'EINVAL'],
    [
      'preadStructured',
      (handle: Handle) => handle.preadStructured(zeroes(512), 2n ** 63n, () => {}),
      'EINVAL',
    ],
    ['pwrite', (handle: Handle) => handle.pwrite(zeroes(512), 2n ** 63n), 'ENOSPC'],
  ] as const)('%s at offset 2^63', async (name, call, errno) => {
    await expectRefusal(call, undefined, undefined, {
      message: `${name}: 512 bytes at offset 9223372036854775808 reach beyond the end of the export, 1048576 bytes`,
      errno,
    })
  })

  test.each([
    [
      'a missing ability',
      without(SendTrim),
      'trim: the server does not offer it (canTrim is false)',
      'EINVAL',
    ],
    ['a read-only export', EVERYTHING | ReadOnly, 'trim: the export is read-only', 'EPERM'],
  ])('%s is reported before it', async (_, flags, message, errno) => {
    await expectRefusal((handle) => handle.trim(512, 2n ** 63n), { flags }, undefined, { message, errno })
  })

  test('without the check of bounds, every offset of 64 bits is sent, and no larger one', async () => {
    const offset = 2n ** 64n - 1n
    const { handle, server } = await ready(undefined, { strict: { bounds: false } })
    const reading = handle.pread(1, offset).catch(() => {})
    await server.request(Cmd.Read, { offset, length: 1 })
    handle.destroy()
    await reading
    await expectRefusal(
      (handle) => handle.trim(1, offset + 1n),
      undefined,
      { strict: false },
      {
        message: `trim: offset: expected at most ${offset}, received ${offset + 1n}`,
        errno: 'ENOSPC',
      },
    )
  })
})

describe('C6: an export whose size is no multiple of its minimum block size', () => {
  const offer = { ...sizes(4096, 0xffffffff), size: 10_486_760 }
  const tail = 'the last 1000 bytes of the export cannot be addressed'
  test.each([
    [
      'to the end',
      (handle: Handle) => handle.cache(10_486_760, 0),
      `cache: 10486760 bytes at offset 0 are not aligned to info.blockSize.minimum, 4096 bytes: ${tail}: ask for 10485760 bytes at offset 0`,
    ],
    [
      'across the last whole block',
      (handle: Handle) => handle.pread(2000, 10_484_760n),
      `pread: 2000 bytes at offset 10484760 are not aligned to info.blockSize.minimum, 4096 bytes: ${tail}: ask for 4096 bytes at offset 10481664`,
    ],
    [
      'within the tail',
      (handle: Handle) => handle.zero(1000, 10_485_760),
      `zero: 1000 bytes at offset 10485760 are not aligned to info.blockSize.minimum, 4096 bytes: ${tail}`,
    ],
    [
      'before the tail: no hint',
      (handle: Handle) => handle.trim(1000, 0),
      'trim: 1000 bytes at offset 0 are not aligned to info.blockSize.minimum, 4096 bytes',
    ],
  ] as const)('%s', async (_, call, message) => {
    await expectRefusal(call, offer, undefined, { message, errno: 'EINVAL' })
  })
})

describe('allowed commands', () => {
  test.each<[string, (handle: Handle) => Promise<unknown>, Cmd, Offer]>([
    ['up to the very end', (handle) => handle.pread(1, MIB - 1), Cmd.Read, {}],
    ['the whole export', (handle) => handle.zero(MIB, 0), Cmd.WriteZeroes, {}],
    ['reading what is read-only', (handle) => handle.pread(1, 0), Cmd.Read, { flags: HasFlags | ReadOnly }],
    ['any alignment where none is known', (handle) => handle.pread(3, 1), Cmd.Read, {}],
    ['any alignment where the minimum is 1', (handle) => handle.pread(3, 1), Cmd.Read, sizes(1, 0xffffffff)],
    ['what is aligned', (handle) => handle.pread(1024, 512), Cmd.Read, sizes(512, 0xffffffff)],
    [
      'a read beyond the payload of writes, where its reply may have several chunks',
      (handle) => handle.pread(MIB, 0),
      Cmd.Read,
      { ...sizes(1, 4096), structuredReplies: true },
    ],
    [
      'the longest read of all, where no maximum is known',
      (handle) => handle.pread(64 * MIB, 0),
      Cmd.Read,
      { size: GIB },
    ],
    ['a read of the maximum', (handle) => handle.pread(4096, 0), Cmd.Read, sizes(1, 4096)],
    ['flags as bits', (handle) => handle.trim(1, 0, { flags: CommandFlag.Fua }), Cmd.Trim, {}],
    ['a flag that is false', (handle) => handle.pread(1, 0, untyped({ fua: false })), Cmd.Read, {}],
  ])('%s', async (_, call, type, offer) => {
    const { handle, server } = await ready(offer)
    const calling = call(handle).catch(() => {})
    await server.request(type)
    handle.destroy()
    await calling
  })
})
