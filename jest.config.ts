/** @jest-config-loader esbuild-register */
import { readdirSync } from 'node:fs'
import type { Config } from 'jest'

// TEST_TARGET=dist runs the packages' tests against what is published.
const isBuilt = process.env['TEST_TARGET'] === 'dist'

type Project = NonNullable<Config['projects']>[number]

const project = (displayName: string, rootDir: string, more: object = {}): Project => ({
  displayName,
  rootDir,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    // A test of an inner file names it by its source; its built twin stands in the same place.
    ...(isBuilt ? { '^(?:\\.\\./)+src/(.*\\.js)$': '<rootDir>/dist/$1' } : {}),
    '^(\\.{1,2}/.*)\\.js$': ['$1.ts', '$1.js'],
  },
  transform: { '^.+\\.ts$': ['ts-jest', { useESM: true, tsconfig: '<rootDir>/../../tsconfig.jest.json' }] },
  testEnvironmentOptions: {
    customExportConditions: [...(isBuilt ? [] : ['@nbdjs/source']), 'node', 'node-addons'],
  },
  ...more,
})

const packages = readdirSync('packages')

const suffix = isBuilt ? ' (dist)' : ''
const packageProjects = packages.map((name) => project(`${name}${suffix}`, `packages/${name}`))
const repositoryProjects = [
  project('architecture', 'tests/architecture'),
  project('spec', 'tests/spec'),
  project('workflow', 'tests/workflow'),
  // The guest's tests run in the virtual machine.
  project('vsock-vm', 'tests/vsock-vm', { testMatch: ['<rootDir>/host/**/*.test.ts'] }),
  project('interop', 'tests/interop', {
    setupFilesAfterEnv: ['<rootDir>/peers/stop-after-each.ts'],
    globalSetup: '<rootDir>/peers/mark-run.mjs',
    globalTeardown: '<rootDir>/peers/leak-check.mjs',
  }),
]

export default {
  // For what hangs, and not for a machine that is busy. Within a project it has no effect.
  testTimeout: 30_000,
  projects: isBuilt ? packageProjects : [...packageProjects, ...repositoryProjects],
  collectCoverageFrom: ['packages/*/src/**/*.ts'],
  // By v8 a run takes five times as long: its counts grow with every file that a worker has run.
  coverageProvider: 'babel',
  coverageThreshold: { global: { lines: 90, branches: 80 } },
} satisfies Config
