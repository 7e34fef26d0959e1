/** The suites of the project, in the order in which they run. */

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
 * @property {'jest' | 'counts'} report What the program writes to the file that is named by `reportVariable`,
 *   or by jest's own option.
 * @property {boolean} [needsPeers] Whether it cannot run at all without what prepare-peers.mjs prepares.
 */

/** Where a suite that is not of jest writes `{ passed, failed, skipped, failures }`. */
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
    about: 'against servers and clients that others wrote',
    node: [...jest, '--selectProjects', 'interop'],
    report: 'jest',
  },
  {
    name: 'vsock',
    about: 'real AF_VSOCK, in a small virtual machine',
    node: ['tests/vsock-vm/run.mjs'],
    report: 'counts',
    needsPeers: true,
  },
]
