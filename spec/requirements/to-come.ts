import type { Standing } from '../requirement.js'

export const tlsToCome: Standing = { status: 'not-yet', reason: 'TLS is not built.' }
export const metadataToCome: Standing = {
  status: 'not-yet',
  reason: 'The server knows no metadata contexts and no block status.',
}
