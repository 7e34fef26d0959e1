/** @jest-config-loader esbuild-register */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Config } from 'jest'

// TEST_TARGET=dist runs the tests of the public API against the built packages.
const isBuilt = process.env['TEST_TARGET'] === 'dist'

type Project = NonNullable<Config['projects']>[number]

// Few projects: each has a transform cache of its own.
const project = (displayName: string, more: object): Project => ({
  displayName,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': ['$1.ts', '$1.js'] },
  transform: { '^.+\\.ts$': ['ts-jest', { useESM: true, tsconfig: '<rootDir>/../tsconfig.jest.json' }] },
  testEnvironmentOptions: {
    customExportConditions: [...(isBuilt ? [] : ['@nbdjs/source']), 'node', 'node-addons'],
  },
  ...more,
})

/**
 * The tests that import the packages by name, as their users do. Only these differ when they run on built files. A test
 * is left out if it, or a helper that it imports, imports a source file by its path.
 */
const publicTests = (): readonly string[] => {
  const known = new Map<string, boolean>()
  const usesSource = (file: string): boolean => {
    const isKnown = known.get(file)
    if (isKnown !== undefined) return isKnown
    known.set(file, false)
    const imports = readFileSync(file, 'utf8').matchAll(/\bfrom '(\.[^']+)'/g)
    const paths = Array.from(imports, ([, path = '']) => resolve(dirname(file), path.replace(/\.js$/, '.ts')))
    const result = paths.some(
      (path) => /packages\/[^/]+\/src\//.test(path) || (existsSync(path) && usesSource(path)),
    )
    known.set(file, result)
    return result
  }
  return (
    readdirSync('packages')
      // The tests of the transports run the built conformance suite.
      .filter((name) => name !== 'conformance' && existsSync(`packages/${name}/test`))
      .flatMap((name) =>
        readdirSync(`packages/${name}/test`, { recursive: true, encoding: 'utf8' })
          .filter((path) => path.endsWith('.test.ts') && !usesSource(resolve(`packages/${name}/test`, path)))
          .map((path) => `<rootDir>/${name}/test/${path}`),
      )
  )
}

const sources = [
  project('packages', { rootDir: 'packages' }),
  project('repository', {
    rootDir: 'tests',
    // The tests in vsock-vm/guest run in the virtual machine.
    testPathIgnorePatterns: ['/node_modules/', '/interop/', '/vsock-vm/guest/'],
  }),
  project('interop', {
    rootDir: 'tests',
    testMatch: ['<rootDir>/interop/**/*.test.ts'],
    setupFilesAfterEnv: ['<rootDir>/interop/peers/stop-after-each.ts'],
    globalSetup: '<rootDir>/interop/peers/mark-run.mjs',
    globalTeardown: '<rootDir>/interop/peers/leak-check.mjs',
  }),
]

export default {
  // For tests that hang. It has no effect within a project.
  testTimeout: 30_000,
  // A worker on each core, even on two. A worker that has grown is replaced by a new one.
  maxWorkers: '100%',
  workerIdleMemoryLimit: '700MB',
  projects: isBuilt ? [project('built', { rootDir: 'packages', testMatch: publicTests() })] : sources,
  // The conformance suite is a test itself.
  collectCoverageFrom: ['packages/*/src/**/*.ts', '!packages/{conformance,testing}/src/**'],
  // By v8 a run takes five times as long: its counts grow with every file that a worker has run.
  coverageProvider: 'babel',
  coverageThreshold: { global: { lines: 90, branches: 80 } },
} satisfies Config
