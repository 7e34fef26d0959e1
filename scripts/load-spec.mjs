/** Loads a module of spec/, which is TypeScript. */
import { join } from 'node:path'
import { build } from 'esbuild'
import { repository } from './pnpm.mjs'

/**
 * @param {string} path Within spec/, with `.ts`.
 * @returns {Promise<any>} What the module exports.
 */
export const loadSpec = async (path) => {
  const entry = join(repository, 'spec', path)
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: 'esm', write: false })
  const [bundle] = outputFiles
  if (bundle === undefined) throw new Error(`esbuild made nothing of ${entry}`)
  return await import(`data:text/javascript;base64,${Buffer.from(bundle.contents).toString('base64')}`)
}
