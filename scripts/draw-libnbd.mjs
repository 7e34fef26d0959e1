/** Draws what comes of libnbd's calls and constants into docs/coming-from-libnbd.md. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { drawSections, MARK } from './libnbd-page.mjs'
import { loadSpec } from './load-spec.mjs'
import { withDrawing } from './marked-page.mjs'
import { repository } from './pnpm.mjs'

const page = join(repository, 'docs/coming-from-libnbd.md')
/** @type {typeof import('../spec/libnbd.js')} */
const { libnbdSections } = await loadSpec('libnbd.ts')
writeFileSync(page, withDrawing(readFileSync(page, 'utf8'), MARK, drawSections(libnbdSections)))
