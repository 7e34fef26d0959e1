/** Draws the phases of the machine into docs/architecture.md, from the built core: `npm run build` first. */
import { readFileSync, writeFileSync } from 'node:fs'
import { edges } from '../packages/core/dist/machine/phase.js'
import { drawPhases, withDrawing } from './phase-diagram.mjs'

const page = new URL('../docs/architecture.md', import.meta.url)
writeFileSync(page, withDrawing(readFileSync(page, 'utf8'), drawPhases(edges)))
