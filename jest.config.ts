/** @jest-config-loader esbuild-register */
import type { Config } from 'jest'

// TEST_TARGET=dist runs the same tests against what is published.
const target = process.env['TEST_TARGET'] === 'dist' ? 'dist' : 'src'

type Project = NonNullable<Config['projects']>[number]

const project = (displayName: string, rootDir: string): Project => ({
  displayName: `${displayName} (${target})`,
  rootDir,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': ['$1.ts', '$1.js'] },
  transform: {
    '^.+\\.ts$': [
      'ts-jest',
      { useESM: true, tsconfig: `${import.meta.dirname ?? __dirname}/tsconfig.jest.json` },
    ],
  },
  testEnvironmentOptions: {
    customExportConditions: [...(target === 'src' ? ['@nbdjs/source'] : []), 'node', 'node-addons'],
  },
})

const packages = [
  'core',
  'node-socket',
  'transport-tcp',
  'transport-unix',
  'transport-vsock',
  'server',
  'conformance',
]

export default {
  projects: packages.map((name) => project(name, `packages/${name}`)),
  collectCoverageFrom: ['packages/*/src/**/*.ts'],
  coverageProvider: 'v8',
  coverageThreshold: { global: { lines: 90, branches: 80 } },
} satisfies Config
