import { describe, expect, it } from '@jest/globals'
import { circlesIn, filesIn, manifestOf, packageNames, readSource, type SourceFile } from './source-files.js'

/** What each package may import besides its own files. */
const mayImport: Readonly<Record<string, RegExp>> = {
  core: /^(zod\/mini|eventemitter3)$/,
  'node-socket': /^(@nbdjs\/core(\/.+)?|node:.+)$/,
  'transport-process': /^(@nbdjs\/(core|node-socket)|node:.+)$/,
  tls: /^(@nbdjs\/(core|node-socket)|node:.+)$/,
  'transport-tcp': /^(@nbdjs\/(core|node-socket)|node:.+)$/,
  'transport-unix': /^(@nbdjs\/(core|node-socket)|node:.+)$/,
  'transport-vsock': /^(@nbdjs\/(core|node-socket)|node:.+|ffi-rs)$/,
  server: /^(@nbdjs\/(core(\/.+)?|node-socket)|node:.+)$/,
  conformance: /^(@nbdjs\/core(\/.+)?|node:.+)$/,
  testing: /^node:.+$/,
}

/** What each part of core may import: a path within `packages/core/src`, or a package. */
const partsOfCore: Readonly<Record<string, RegExp>> = {
  'transport.ts': /^$/,
  'extent-flags.ts': /^$/,
  'on-abort.ts': /^$/,
  'argument-error.ts': /^(errors|quote)\.ts$/,
  'check-options.ts': /^((argument-error|errors)\.ts|zod\/mini)$/,
  'options.ts':
    /^((argument-error|check-options|errors|tls)\.ts|wire\/text\.ts|uri\/(nbd-uri|rules)\.ts|protocol\/(limits|transmission\/command)\.ts)$/,
  'errors.ts': /^quote\.ts$/,
  'quote.ts': /^$/,
  'wire/': /^(wire\/|(errors|quote)\.ts$)/,
  'protocol/': /^((wire|protocol)\/|(argument-error|errors|quote)\.ts$)/,
  'handle/':
    /^((wire|protocol|handle)\/|(argument-error|check-options|errors|on-abort|options|quote|tls|transport|upgrade)\.ts$|uri\/(format|rules)\.ts$|eventemitter3$)/,
  'uri/': /^(uri\/|wire\/text\.ts$|(argument-error|check-options|errors|quote|transport)\.ts$)/,
  'in-process.ts': /^(argument-error|check-options|errors|transport)\.ts$/,
  'upgrade.ts': /^(errors|tls|transport)\.ts$/,
  'tls.ts': /^(transport|uri\/nbd-uri)\.ts$/,
}

/** protocol/ is free of I/O, clocks and promises: timers and promises belong to handle/. */
const clocksAndPromises = [
  'Promise',
  'async',
  'await',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'Date',
  'performance',
  'AbortSignal',
]

const nodeOnly = ['Buffer', 'process', 'global', 'require', '__dirname', '__filename', 'setImmediate']

const foreignImports = (file: SourceFile, folder: string): readonly string[] =>
  file.imports.filter((path) => !path.startsWith(`packages/${folder}/`))

/** `path: name` for each of the names that a file mentions. */
const mentions = (files: readonly SourceFile[], names: readonly string[]): readonly string[] =>
  files.flatMap(({ path, names: found }) =>
    names.filter((name) => found.has(name)).map((name) => `${path}: ${name}`),
  )

it('has a rule for each package', () => {
  expect(Object.keys(mayImport).sort()).toEqual(packageNames)
})

describe.each(packageNames)('%s', (name) => {
  const forms = [
    ['source', `packages/${name}/src`, '.ts'],
    ['built', `packages/${name}/dist`, '.js'],
    ['declared', `packages/${name}/dist`, '.d.ts'],
  ] as const

  it.each(forms)('imports only what its rule allows (%s)', (_, folder, ending) => {
    const foreign = filesIn(folder, ending).flatMap((file) =>
      foreignImports(file, name).map((specifier) => ({ path: file.path, specifier })),
    )
    expect(foreign.filter(({ specifier }) => !mayImport[name]?.test(specifier))).toEqual([])
  })

  it('has no circle of imports between its files, imports of types included', () => {
    expect(circlesIn(filesIn(`packages/${name}/src`, '.ts'))).toEqual([])
  })

  it('puts text of a peer or a user into a message by quote() only', () => {
    const files = filesIn(`packages/${name}/src`, '.ts').filter(
      ({ path }) => path !== 'packages/core/src/quote.ts',
    )
    expect(mentions(files, ['stringify'])).toEqual([])
    expect(files.flatMap(({ path, text }) => (text.includes('"${') ? [path] : []))).toEqual([])
  })

  it('depends at run time only on our packages, zod, eventemitter3 and ffi-rs', () => {
    const dependencies = Object.keys(manifestOf(name).dependencies ?? {})
    const known = /^(@nbdjs\/.+|zod|eventemitter3|ffi-rs)$/
    expect(dependencies.filter((dependency) => !known.test(dependency))).toEqual([])
  })
})

describe('core', () => {
  const forms = [
    ['source', 'packages/core/src', '.ts'],
    ['built', 'packages/core/dist', '.js'],
  ] as const

  it.each(Object.keys(partsOfCore))('src/%s imports only the layers below it', (part) => {
    const folder = 'packages/core/src/'
    const files = part.endsWith('.ts') ? [readSource(`${folder}${part}`)] : filesIn(`${folder}${part}`, '.ts')
    const wrong = files.flatMap(({ path, imports }) =>
      imports
        .map((specifier) => specifier.replace(folder, ''))
        .filter((specifier) => !partsOfCore[part]?.test(specifier))
        .map((specifier) => `${path} imports ${specifier}`),
    )
    expect(wrong).toEqual([])
  })

  it('has a rule for each file but the two on top', () => {
    const folder = 'packages/core/src/'
    const parts = Object.keys(partsOfCore)
    const others = filesIn('packages/core/src', '.ts')
      .map(({ path }) => path.slice(folder.length))
      .filter((path) => !parts.some((part) => path === part || (part.endsWith('/') && path.startsWith(part))))
    expect(others.sort()).toEqual(['connect-uri.ts', 'index.ts'])
  })

  it.each(forms)('uses no clock and no promise in protocol/ and wire/ (%s)', (_, folder, ending) => {
    expect(mentions(filesIn(`${folder}/protocol`, ending), clocksAndPromises)).toEqual([])
    expect(mentions(filesIn(`${folder}/wire`, ending), clocksAndPromises)).toEqual([])
  })

  it.each(forms)('uses no global that only Node has (%s)', (_, folder, ending) => {
    expect(mentions(filesIn(folder, ending), nodeOnly)).toEqual([])
  })

  it('exports no type of zod', () => {
    const seen = new Set<string>()
    const visit = (path: string): void => {
      if (seen.has(path)) return
      seen.add(path)
      if (path.startsWith('packages/')) readSource(path).imports.forEach(visit)
    }
    visit('packages/core/dist/index.d.ts')
    expect(seen.size).toBeGreaterThan(1)
    expect([...seen].filter((path) => path.startsWith('zod'))).toEqual([])
  })
})

describe('ffi-rs', () => {
  it('is imported by one file', () => {
    const importers = packageNames
      .flatMap((name) => filesIn(`packages/${name}/src`, '.ts'))
      .filter(({ imports }) => imports.includes('ffi-rs'))
    expect(importers.map(({ path }) => path)).toEqual([
      expect.stringMatching('packages/transport-vsock/src/'),
    ])
  })
})
