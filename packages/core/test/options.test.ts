import { describe, expect, test } from '@jest/globals'
import { Handle, NbdUsageError } from '@nbdjs/core'
import { checkName, parseOptions } from '../src/options.js'

const defaults = {
  name: undefined,
  exportName: '',
  optMode: false,
  fullInfo: false,
  requestBlockSize: true,
  requestStructuredReplies: true,
  requestExtendedHeaders: true,
  requestMetaContext: true,
  metaContexts: [],
  tls: 'disable',
  tlsProvider: undefined,
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
    listEntries: 10_000,
    extents: 262_144,
  },
  timeouts: { dialMs: 30_000, handshakeMs: 30_000, requestMs: 0, closeMs: 5_000 },
}
const checks = ['commands', 'flags', 'bounds', 'zeroSize', 'align', 'payload', 'autoFlag'] as const

function refusal(options: unknown): NbdUsageError {
  try {
    parseOptions(options)
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
    expect(parseOptions(options)).toEqual(defaults)
  })

  function everyPlaceUndefined(): object {
    const blank = (value: unknown): unknown =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, blank(inner)]))
        : undefined
    return blank(defaults) as object
  }

  test('a group of undefined counts as none', () => {
    const groups = { handshakeFlags: undefined, strict: undefined, limits: undefined, timeouts: undefined }
    expect(parseOptions(groups)).toEqual(defaults)
  })
})

describe('a given value', () => {
  test.each([
    ['name', 'backup'],
    ['exportName', 'disk0'],
    ['optMode', true],
    ['fullInfo', true],
    ['requestBlockSize', false],
    ['requestStructuredReplies', false],
    ['handshakeFlags', { fixedNewstyle: false, noZeroes: true }],
    ['limits', { ...defaults.limits, inFlightCommands: 1, listEntries: Number.MAX_SAFE_INTEGER }],
    ['timeouts', { dialMs: 0, handshakeMs: 0.5, requestMs: 2_147_483_647, closeMs: 1 }],
  ])('of %s is taken, the others stay', (option, value) => {
    expect(parseOptions({ [option]: value })).toEqual({ ...defaults, [option]: value })
  })

  test.each([
    ['handshakeFlags', { noZeroes: false }],
    ['limits', { inFlightBytes: 4096 }],
    ['timeouts', { requestMs: 100 }],
  ] as const)('within %s leaves its neighbours alone', (group, value) => {
    expect(parseOptions({ [group]: value })[group]).toEqual({ ...defaults[group], ...value })
  })

  test.each([true, false])('strict: %s stands for every check', (strict) => {
    expect(parseOptions({ strict }).strict).toEqual(
      Object.fromEntries(checks.map((check) => [check, strict])),
    )
  })

  test.each(checks)('strict.%s alone can be switched off', (check) => {
    expect(parseOptions({ strict: { [check]: false } }).strict).toEqual({
      ...defaults.strict,
      [check]: false,
    })
  })

  test('is copied: what the caller changes later has no effect', () => {
    const options = { timeouts: { dialMs: 1 }, strict: { bounds: false } }
    const parsed = parseOptions(options)
    options.timeouts.dialMs = 2
    options.strict.bounds = true
    expect(parsed).toMatchObject({ timeouts: { dialMs: 1 }, strict: { bounds: false } })
  })
})

describe('a mistake', () => {
  const names =
    'name, exportName, optMode, fullInfo, requestBlockSize, requestStructuredReplies, requestExtendedHeaders, requestMetaContext, metaContexts, tls, tlsProvider, handshakeFlags, strict, limits, timeouts'
  const limits = 'inFlightCommands, inFlightBytes, optionReplyBytes, listEntries, extents'

  test.each<[unknown, string]>([
    [null, 'options: expected an object, received null'],
    [7, 'options: expected an object, received 7'],
    ['exportName', 'options: expected an object, received "exportName"'],
    [[], 'options: expected an object, received Array'],
    [() => {}, 'options: expected an object, received a function'],

    [{ name: 1 }, 'options.name: expected a string, received 1'],
    [{ exportName: null }, 'options.exportName: expected a string, received null'],
    [{ exportName: new Uint8Array(1) }, 'options.exportName: expected a string, received Uint8Array'],
    [{ optMode: 'yes' }, 'options.optMode: expected a boolean, received "yes"'],
    [{ optMode: 1 }, 'options.optMode: expected a boolean, received 1'],
    [{ fullInfo: null }, 'options.fullInfo: expected a boolean, received null'],
    [{ requestBlockSize: 0n }, 'options.requestBlockSize: expected a boolean, received 0n'],
    [
      { requestStructuredReplies: Symbol('no') },
      'options.requestStructuredReplies: expected a boolean, received Symbol(no)',
    ],

    [{ handshakeFlags: 3 }, 'options.handshakeFlags: expected an object, received 3'],
    [
      { handshakeFlags: { noZeroes: 'true' } },
      'options.handshakeFlags.noZeroes: expected a boolean, received "true"',
    ],
    [{ strict: 'all' }, 'options.strict: expected a boolean or an object, received "all"'],
    [{ strict: null }, 'options.strict: expected a boolean or an object, received null'],
    [{ strict: [] }, 'options.strict: expected a boolean or an object, received Array'],
    [{ strict: { bounds: 1 } }, 'options.strict.bounds: expected a boolean, received 1'],

    [{ limits: [] }, 'options.limits: expected an object, received Array'],
    [{ limits: { inFlightCommands: 0 } }, 'options.limits.inFlightCommands: expected at least 1, received 0'],
    [
      { limits: { inFlightBytes: -4096 } },
      'options.limits.inFlightBytes: expected at least 1, received -4096',
    ],
    [{ limits: { listEntries: 1.5 } }, 'options.limits.listEntries: expected an integer, received 1.5'],
    [
      { limits: { optionReplyBytes: Number.NaN } },
      'options.limits.optionReplyBytes: expected a finite number, received NaN',
    ],
    [
      { limits: { optionReplyBytes: Number.POSITIVE_INFINITY } },
      'options.limits.optionReplyBytes: expected a finite number, received Infinity',
    ],
    [
      { limits: { inFlightBytes: 2 ** 53 } },
      'options.limits.inFlightBytes: expected at most 9007199254740991, received 9007199254740992',
    ],
    [
      { limits: { inFlightBytes: 4096n } },
      'options.limits.inFlightBytes: expected a finite number, received 4096n',
    ],
    [
      { limits: { inFlightBytes: '1M' } },
      'options.limits.inFlightBytes: expected a finite number, received "1M"',
    ],

    [{ timeouts: { dialMs: -1 } }, 'options.timeouts.dialMs: expected at least 0, received -1'],
    [
      { timeouts: { closeMs: 2 ** 31 } },
      'options.timeouts.closeMs: expected at most 2147483647, received 2147483648',
    ],
    [
      { timeouts: { requestMs: '5s' } },
      'options.timeouts.requestMs: expected a finite number, received "5s"',
    ],

    [{ export: 'disk0' }, `options.export: unknown option, expected one of ${names}`],
    [{ limits: { inflight: 1 } }, `options.limits.inflight: unknown option, expected one of ${limits}`],
    [
      { strict: { zerosize: false } },
      `options.strict.zerosize: unknown option, expected one of ${checks.join(', ')}`,
    ],
    [
      { timeouts: { connectMs: 1 } },
      'options.timeouts.connectMs: unknown option, expected one of dialMs, handshakeMs, requestMs, closeMs',
    ],
    [
      { handshakeFlags: { noZeros: true } },
      'options.handshakeFlags.noZeros: unknown option, expected one of fixedNewstyle, noZeroes',
    ],
    [{ tsl: 'require' }, `options.tsl: unknown option, expected one of ${names}`],
    [{ tls: 'always' }, `options.tls: expected one of 'disable', 'allow', 'require', received "always"`],
    [{ tls: 'require' }, `options.tls: 'require' needs options.tlsProvider, such as nodeTls() of @nbdjs/tls`],
    [{ tls: 'allow' }, `options.tls: 'allow' needs options.tlsProvider, such as nodeTls() of @nbdjs/tls`],
    [{ tlsProvider: { role: 'client' } }, 'options.tlsProvider: expected a TlsProvider, received Object'],
    [{ tlsProvider: null }, 'options.tlsProvider: expected a TlsProvider, received null'],
    [
      { tlsProvider: { role: 'server', upgrade: () => {} } },
      `options.tlsProvider.role: expected 'client', received "server"`,
    ],
  ])('%p', (options, message) => {
    expect(refusal(options)).toMatchObject({ message, errno: 'EINVAL', code: 'ERR_NBD_USAGE' })
  })

  test('every one of several is told', () => {
    const { message } = refusal({ optMode: 1, limits: { listEntries: 0, more: 1, less: 2 } })
    expect(message).toBe(
      [
        'options.optMode: expected a boolean, received 1',
        'options.limits.listEntries: expected at least 1, received 0',
        `options.limits.more: unknown option, expected one of ${limits}`,
        `options.limits.less: unknown option, expected one of ${limits}`,
      ].join('; '),
    )
  })

  test('a long string is cut in the message', () => {
    const { message } = refusal({ optMode: 'x'.repeat(1000) })
    expect(message).toBe(`options.optMode: expected a boolean, received "${'x'.repeat(64)}..."`)
  })

  test('a value that cannot be printed is named by its kind', () => {
    const circular: Record<string, unknown> = { big: 1n }
    circular['itself'] = circular
    expect(refusal({ optMode: circular }).message).toBe(
      'options.optMode: expected a boolean, received Object',
    )
  })

  test('throws in the constructor of the handle, and counts no name', () => {
    const numberOf = ({ name }: Handle): number => Number(name.slice('nbd'.length))
    const before = numberOf(new Handle())
    expect(() => new Handle({ optMode: 1 } as never)).toThrow(NbdUsageError)
    expect(numberOf(new Handle())).toBe(before + 1)
    expect(new Handle({ name: 'backup' }).name).toBe('backup')
  })
})

describe('a query for meta contexts', () => {
  test.each(['base:', 'base:allocation', 'x-é:a b', 'qemu:dirty-bitmap:', `x:${'n'.repeat(4094)}`])(
    '%j is taken',
    (query) => {
      expect(parseOptions({ metaContexts: ['base:allocation', query] }).metaContexts[1]).toBe(query)
    },
  )

  // spec: client/meta-context/query-names-a-namespace
  test.each(['', 'allocation', ':', ':allocation', 'ba se:allocation', 'ba\u0001se:', '\u00a0x:'])(
    '%j is refused',
    (query) => {
      const complaint = `expected a namespace and a colon, such as base:allocation, received ${JSON.stringify(query)}`
      expect(refusal({ metaContexts: ['base:allocation', query] })).toMatchObject({
        message: `options.metaContexts.1: ${complaint}`,
        errno: 'EINVAL',
      })
      expect(() => new Handle().addMetaContext(query)).toThrow(`addMetaContext: query: ${complaint}`)
    },
  )

  test.each(['x', 'x:'])('that is too long is told so first', (start) => {
    expect(refusal({ metaContexts: [start.padEnd(4097, 'n')] })).toMatchObject({
      message: 'options.metaContexts.0: expected at most 4096 bytes of UTF-8, received 4097',
      errno: 'ENAMETOOLONG',
    })
  })
})

describe('an export name', () => {
  test.each([
    ['of 4096 bytes', 'n'.repeat(4096)],
    ['of 4096 bytes in 1024 characters', '\u{1f4be}'.repeat(1024)],
    ['with a slash, a space and a newline', '/a b\n'],
  ])('%s is taken', (_, exportName) => {
    expect(parseOptions({ exportName }).exportName).toBe(exportName)
  })

  const odd = 'a string without NUL and without half a surrogate pair'
  test.each([
    // spec: client/conventions/string-length
    ['n'.repeat(4097), 'at most 4096 bytes of UTF-8, received 4097', 'ENAMETOOLONG'],
    [`${'\u{1f4be}'.repeat(1024)}n`, 'at most 4096 bytes of UTF-8, received 4097', 'ENAMETOOLONG'],
    // spec: client/conventions/no-nul
    ['disk\0zero', `${odd}, received "disk\\u0000zero"`, 'EINVAL'],
    ['disk\ud83d', `${odd}, received "disk\\ud83d"`, 'EINVAL'],
    ['\udcbedisk', `${odd}, received "\\udcbedisk"`, 'EINVAL'],
  ])('%j is refused', (exportName, complaint, errno) => {
    expect(refusal({ exportName })).toMatchObject({
      message: `options.exportName: expected ${complaint}`,
      errno,
    })
    expect(() => checkName('setExportName: exportName', exportName)).toThrow(
      `setExportName: exportName: expected ${complaint}`,
    )
  })

  test.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [5, '5'],
  ])('that is %p is refused', (exportName, shown) => {
    expect(() => checkName('here', exportName)).toThrow(`here: expected a string, received ${shown}`)
  })
})
