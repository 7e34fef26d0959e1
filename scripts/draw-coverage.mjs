/** Draws the requirements of the specification, and the tests that cite them, into docs/protocol-coverage.md. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { readCitations } from './citations.mjs'
import { drawRequirements, MARK } from './coverage-page.mjs'
import { withDrawing } from './marked-page.mjs'
import { repository } from './pnpm.mjs'

/** @returns {Promise<typeof import('../spec/requirements.js')>} */
const loadRequirements = async () => {
  const entry = join(repository, 'spec/requirements.ts')
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: 'esm', write: false })
  const [bundle] = outputFiles
  if (bundle === undefined) throw new Error(`esbuild made nothing of ${entry}`)
  return await import(`data:text/javascript;base64,${Buffer.from(bundle.contents).toString('base64')}`)
}

const page = join(repository, 'docs/protocol-coverage.md')
const { requirements } = await loadRequirements()
const { citations } = readCitations(repository)
const drawing = drawRequirements(requirements, citations, 'docs')
writeFileSync(page, withDrawing(readFileSync(page, 'utf8'), MARK, drawing))
