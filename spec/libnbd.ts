/**
 * What comes of each call of libnbd: ours, or the reason why JavaScript needs none.
 *
 * `node scripts/docs.mjs` generates docs/coming-from-libnbd.md from it.
 */
import { asking } from './libnbd/asking.js'
import { commands } from './libnbd/commands.js'
import { connecting } from './libnbd/connecting.js'
import { constants } from './libnbd/constants.js'
import { knowing } from './libnbd/knowing.js'
import type { Section } from './libnbd/line.js'
import { making } from './libnbd/making.js'
import { negotiating } from './libnbd/negotiating.js'
import { tls } from './libnbd/tls.js'
import { waiting } from './libnbd/waiting.js'

export const callSections: readonly Section[] = [
  making,
  asking,
  tls,
  connecting,
  negotiating,
  knowing,
  commands,
  waiting,
]

/** All that the page shows. */
export const libnbdSections: readonly Section<string>[] = [...callSections, constants]
