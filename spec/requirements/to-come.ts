import type { Standing } from '../requirement.js'

export const tlsToCome: Standing = { status: 'not-yet', reason: 'TLS is not whole yet: the server has none.' }
export const metadataToCome: Standing = {
  status: 'not-yet',
  reason: 'It is built, and no test proves it yet.',
}
