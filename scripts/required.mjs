/**
 * Whether every test must run, so that a missing peer, a skipped test and a suite that did not run are failures: in CI,
 * and if NBD_REQUIRE=all is set.
 *
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {boolean}
 */
export const isEverythingRequired = (env) =>
  ['true', '1'].includes(env['CI'] ?? '') || env['NBD_REQUIRE'] === 'all'
