import { describe, expect, test } from '@jest/globals'
import {
  connect,
  connectUri,
  Handle,
  type HandleOptions,
  NbdUsageError,
  negotiate,
  quote,
  type ResolvedOptions,
} from '@nbdjs/core'

const defaults = {
  exportName: '',
  secretExportName: false,
  fullInfo: false,
  requestBlockSize: true,
  requestStructuredReplies: true,
  requestExtendedHeaders: true,
  requestMetaContext: true,
  metaContexts: [],
  requireMetaContexts: true,
  tls: 'disable',
  handshakeFlags: { fixedNewstyle: true, noZeroes: true },
  strict: {
    commands: true,
    flags: true,
    bounds: true,
    zeroSize: true,
    align: true,
    payload: true,
    autoFlag: true,
  },
  limits: {
    inFlightCommands: 1024,
    inFlightBytes: 67_108_864,
    optionReplyBytes: 1_048_576,
    optionTotalBytes: 67_108_864,
    listEntries: 10_000,
    extents: 262_144,
  },
  timeouts: { dialMs: 30_000, handshakeMs: 30_000, requestMs: 0, commandMs: 0, closeMs: 5_000 },
}
const checks = ['commands', 'flags', 'bounds', 'zeroSize', 'align', 'payload', 'autoFlag'] as const

const settingsOf = (options: unknown): ResolvedOptions => new Handle(options as HandleOptions).settings

function usageErrorOf(options: unknown): NbdUsageError {
  try {
    settingsOf(options)
  } catch (error) {
    if (error instanceof NbdUsageError) return error
    throw error
  }
  throw new Error('the options were accepted')
}

describe('defaults', () => {
  test.each([
    ['nothing', undefined],
    ['an empty object', {}],
    ['empty groups', { handshakeFlags: {}, strict: {}, limits: {}, timeouts: {} }],
    ['undefined at every place', everyPlaceUndefined()],
  ])('with %s', (_, options) => {
    expect(settingsOf(options)).toEqual(defaults)
  })

  function everyPlaceUndefined(): object {
    const blank = (value: unknown): unknown =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, blank(inner)]))
        : undefined
    return blank(defaults) as object
  }

  test('a group that is undefined counts as absent', () => {
    const groups = { handshakeFlags: undefined, strict: undefined, limits: undefined, timeouts: undefined }
    expect(settingsOf(groups)).toEqual(defaults)
  })
})

describe('a given value', () => {
  test.each([
    ['exportName', 'disk0'],
    ['fullInfo', true],
    ['requestBlockSize', false],
    ['requestStructuredReplies', false],
    ['handshakeFlags', { fixedNewstyle: false, noZeroes: true }],
    ['limits', { ...defaults.limits, inFlightCommands: 1, listEntries: Number.MAX_SAFE_INTEGER }],
    ['timeouts', { dialMs: 0, handshakeMs: 0.5, requestMs: 2_147_483_647, commandMs: 2, closeMs: 1 }],
  ])('of %s is used, the others keep their defaults', (option, value) => {
    expect(settingsOf({ [option]: value })).toEqual({ ...defaults, [option]: value })
  })

  test.each([
    ['handshakeFlags', { noZeroes: false }],
    ['limits', { inFlightBytes: 4096 }],
    ['timeouts', { requestMs: 100 }],
  ] as const)('within %s does not change the others', (group, value) => {
    expect(settingsOf({ [group]: value })[group]).toEqual({ ...defaults[group], ...value })
  })

  test.each([true, false])('strict: %s applies to all checks', (strict) => {
    expect(settingsOf({ strict }).strict).toEqual(Object.fromEntries(checks.map((check) => [check, strict])))
  })

  test.each(checks)('strict.%s alone can be switched off', (check) => {
    expect(settingsOf({ strict: { [check]: false } }).strict).toEqual({
      ...defaults.strict,
      [check]: false,
    })
  })

  test('is copied: later changes by the caller have no effect', () => {
    const options = { timeouts: { dialMs: 1 }, strict: { bounds: false } }
    const parsed = settingsOf(options)
    options.timeouts.dialMs = 2
    options.strict.bounds = true
    expect(parsed).toMatchObject({ timeouts: { dialMs: 1 }, strict: { bounds: false } })
  })
})

describe('a mistake', () => {
  const names =
    'name, exportName, secretExportName, fullInfo, requestBlockSize, requestStructuredReplies, requestExtendedHeaders, requestMetaContext, metaContexts, requireMetaContexts, tls, tlsProvider, handshakeFlags, strict, limits, timeouts, allocate, uri'
  const limits = 'inFlightCommands, inFlightBytes, optionReplyBytes, optionTotalBytes, listEntries, extents'

  test.each<[unknown, string]>([
    [null, 'options: expected an object, received null'],
    [7, 'options: expected an object, received 7'],
    ['exportName', 'options: expected an object, received "exportName"'],
    [[], 'options: expected an object, received Array'],
    [() => {}, 'options: expected an object, received a function'],

    [{ name: 1 }, 'name: expected a string, received 1'],
    [{ exportName: null }, 'exportName: expected a string, received null'],
    [{ fullInfo: 'yes' }, 'fullInfo: expected a boolean, received "yes"'],
    [{ requestBlockSize: 0n }, 'requestBlockSize: expected a boolean, received 0n'],
    [{ metaContexts: 'base:allocation' }, 'metaContexts: expected an array, received "base:allocation"'],
    [{ metaContexts: ['x:', 5] }, 'metaContexts.1: expected a string, received 5'],

    [{ handshakeFlags: 3 }, 'handshakeFlags: expected an object, received 3'],
    [
      { handshakeFlags: { noZeroes: 'true' } },
      'handshakeFlags.noZeroes: expected a boolean, received "true"',
    ],
    [{ strict: 'all' }, 'strict: expected a boolean or an object, received "all"'],
    [{ strict: { bounds: 1 } }, 'strict.bounds: expected a boolean, received 1'],
    [
      { limits: { inFlightCommands: 0 } },
      'limits.inFlightCommands: expected an integer, at least 1, received 0',
    ],
    [{ limits: { listEntries: 1.5 } }, 'limits.listEntries: expected an integer, at least 1, received 1.5'],
    [
      { limits: { inFlightBytes: 4096n } },
      'limits.inFlightBytes: expected an integer, at least 1, received 4096n',
    ],
    [
      { timeouts: { closeMs: 2 ** 31 } },
      'timeouts.closeMs: expected a number of milliseconds from 0 to 2147483647, received 2147483648',
    ],

    [{ export: 'disk0' }, `unknown option 'export', expected one of ${names}`],
    [{ limits: { inflight: 1 } }, `unknown option 'limits.inflight', expected one of ${limits}`],
    [
      { strict: { zerosize: false } },
      `unknown option 'strict.zerosize', expected one of ${checks.join(', ')}`,
    ],
    [
      { timeouts: { connectMs: 1 } },
      "unknown option 'timeouts.connectMs', expected one of dialMs, handshakeMs, requestMs, commandMs, closeMs",
    ],
    [
      { handshakeFlags: { noZeros: true } },
      "unknown option 'handshakeFlags.noZeros', expected one of fixedNewstyle, noZeroes",
    ],
    [{ tls: 'always' }, `tls: expected one of 'disable', 'allow', 'require', received "always"`],
    [{ tls: 'require' }, `tls: 'require' needs tlsProvider: use nodeTls() of @nbdjs/tls`],
    [{ tls: 'allow' }, `tls: 'allow' needs tlsProvider: use nodeTls() of @nbdjs/tls`],
    [{ tlsProvider: { role: 'client' } }, 'tlsProvider: expected a TlsProvider, received Object'],
    [{ tlsProvider: null }, 'tlsProvider: expected a TlsProvider, received null'],
    [
      { tlsProvider: { role: 'server', upgrade: () => {} } },
      `tlsProvider.role: expected 'client', received "server"`,
    ],
    [{ uri: 'nbd://localhost' }, 'uri: expected a URI of parseUri(), received "nbd://localhost"'],
    [{ uri: { transport: 'tcp', host: 'x', port: 0 } }, 'uri: expected a URI of parseUri(), received Object'],
  ])('%p', (options, message) => {
    expect(usageErrorOf(options)).toMatchObject({
      message: `Handle: ${message}`,
      errno: 'EINVAL',
      code: 'ERR_NBD_USAGE',
    })
  })

  test('begins with the name of the call', async () => {
    const transport = { address: 'nowhere:', dial: () => Promise.reject(new Error('dialled')) }
    const more = `${names}, signal, onHandle`
    const wrong = { nmae: 'x' } as HandleOptions
    await expect(connect(transport, wrong)).rejects.toThrow(
      `connect: unknown option 'nmae', expected one of ${more}`,
    )
    await expect(negotiate(transport, wrong)).rejects.toThrow(
      `negotiate: unknown option 'nmae', expected one of ${more}`,
    )
    const options = { ...wrong, transports: { tcp: () => transport } }
    await expect(connectUri('nbd://', options)).rejects.toThrow(
      `connectUri: unknown option 'nmae', expected one of ${more}, transports, allow`,
    )
  })

  test('throws in the constructor of the handle, and counts no name', () => {
    const numberOf = ({ name }: Handle): number => Number(name.slice('nbd'.length))
    const before = numberOf(new Handle())
    expect(() => new Handle({ fullInfo: 1 } as never)).toThrow(NbdUsageError)
    expect(numberOf(new Handle())).toBe(before + 1)
    expect(new Handle({ name: 'backup' }).name).toBe('backup')
  })
})

describe('a query for meta contexts', () => {
  test.each(['base:', 'base:allocation', 'x-é:a b', 'qemu:dirty-bitmap:', `x:${'n'.repeat(4094)}`])(
    'accepts %j',
    (query) => {
      expect(settingsOf({ metaContexts: ['base:allocation', query] }).metaContexts[1]).toBe(query)
    },
  )

  // spec: client/meta-context/query-names-a-namespace
  test.each(['', 'allocation', ':', ':allocation', 'ba se:allocation', 'ba\u0001se:', '\u00a0x:'])(
    'rejects %j',
    (query) => {
      const complaint = `expected a namespace and a colon, such as base:allocation, received ${quote(query)}`
      expect(usageErrorOf({ metaContexts: ['base:allocation', query] })).toMatchObject({
        message: `Handle: metaContexts.1: ${complaint}`,
        errno: 'EINVAL',
      })
      expect(() => new Handle().addMetaContext(query)).toThrow(`addMetaContext: query: ${complaint}`)
    },
  )

  test.each(['x', 'x:'])('that is too long is reported as such', (start) => {
    expect(usageErrorOf({ metaContexts: [start.padEnd(4097, 'n')] })).toMatchObject({
      message: 'Handle: metaContexts.0: expected at most 4096 bytes of UTF-8, received 4097',
      errno: 'ENAMETOOLONG',
    })
  })
})

describe('an export name', () => {
  test.each([
    ['of 4096 bytes', 'n'.repeat(4096)],
    ['of 4096 bytes in 1024 characters', '\u{1f4be}'.repeat(1024)],
    ['with a slash, a space and a newline', '/a b\n'],
  ])('accepts %s', (_, exportName) => {
    expect(settingsOf({ exportName }).exportName).toBe(exportName)
  })

  const odd = 'a string without NUL and without a lone surrogate'
  test.each([
    // spec: client/conventions/string-length
    ['n'.repeat(4097), 'at most 4096 bytes of UTF-8, received 4097', 'ENAMETOOLONG'],
    [`${'\u{1f4be}'.repeat(1024)}n`, 'at most 4096 bytes of UTF-8, received 4097', 'ENAMETOOLONG'],
    // spec: client/conventions/no-nul
    ['disk\0zero', `${odd}, received "disk\\u0000zero"`, 'EINVAL'],
    ['disk\ud83d', `${odd}, received "disk\\ud83d"`, 'EINVAL'],
    ['\udcbedisk', `${odd}, received "\\udcbedisk"`, 'EINVAL'],
  ])('rejects %j', (exportName, complaint, errno) => {
    expect(usageErrorOf({ exportName })).toMatchObject({
      message: `Handle: exportName: expected ${complaint}`,
      errno,
    })
    expect(() => new Handle().setExportName(exportName)).toThrow(
      `setExportName: exportName: expected ${complaint}`,
    )
  })
})
