/** The suites, in running order. */

const jest = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
]

/**
 * @typedef {object} Suite
 * @property {string} name As in `npm run test:NAME`.
 * @property {string} about
 * @property {readonly string[]} node The arguments for Node.
 * @property {Readonly<Record<string, string>>} [env]
 * @property {'jest' | 'counts'} report What the program writes to the file named by `reportVariable` or by jest's option.
 * @property {boolean} [needsPeers] Whether no test of it can run without the peers.
 */

/** Names the file to which a suite without jest writes `{ passed, failed, skipped, failures }`. */
export const reportVariable = 'NBD_RESULT_FILE'

/** @type {readonly Suite[]} */
export const suites = [
  {
    name: 'unit',
    about: 'each package, the architecture and the scripts',
    node: [...jest, '--ignoreProjects', 'interop', '--coverage'],
    report: 'jest',
  },
  {
    name: 'built',
    about: 'the tests of the public API again, on the built files',
    node: jest,
    env: { TEST_TARGET: 'dist' },
    report: 'jest',
  },
  {
    name: 'interop',
    about: 'against other servers and clients',
    node: [...jest, '--selectProjects', 'interop'],
    report: 'jest',
  },
  {
    name: 'vsock',
    about: 'AF_VSOCK in a virtual machine',
    node: ['tests/vsock-vm/run.mjs'],
    report: 'counts',
    needsPeers: true,
  },
]
