import type { Standing } from '../requirement.js'

export const tlsToCome: Standing = { status: 'not-yet', reason: 'TLS is not whole yet: the server has none.' }
