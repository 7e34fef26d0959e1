/** Draws the requirements of the specification, and the tests that cite them, into docs/protocol-coverage.md. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCitations } from './citations.mjs'
import { drawRequirements, MARK } from './coverage-page.mjs'
import { loadSpec } from './load-spec.mjs'
import { withDrawing } from './marked-page.mjs'
import { repository } from './pnpm.mjs'

const page = join(repository, 'docs/protocol-coverage.md')
/** @type {typeof import('../spec/requirements.js')} */
const { requirements } = await loadSpec('requirements.ts')
const { citations } = readCitations(repository, 'spec')
const drawing = drawRequirements(requirements, citations, 'docs')
writeFileSync(page, withDrawing(readFileSync(page, 'utf8'), MARK, drawing))
