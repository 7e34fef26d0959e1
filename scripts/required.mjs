/**
 * Whether nothing may be left out: a peer that is missing, a skipped test and a suite that did not run are
 * failures then. So it is in CI, and wherever NBD_REQUIRE=all is set.
 *
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {boolean}
 */
export const isEverythingRequired = (env) =>
  ['true', '1'].includes(env['CI'] ?? '') || env['NBD_REQUIRE'] === 'all'
