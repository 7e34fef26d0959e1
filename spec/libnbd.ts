/**
 * The counterpart of each call of libnbd, or the reason why there is none.
 *
 * `node scripts/docs.mjs` generates docs/coming-from-libnbd.md from it.
 */

import { commands } from './libnbd/commands.js'
import { connecting } from './libnbd/connecting.js'
import { constants } from './libnbd/constants.js'
import { handles } from './libnbd/handles.js'
import type { Section } from './libnbd/line.js'
import { negotiating } from './libnbd/negotiating.js'
import { properties } from './libnbd/properties.js'
import { settings } from './libnbd/settings.js'
import { tls } from './libnbd/tls.js'
import { waiting } from './libnbd/waiting.js'

export const callSections: readonly Section[] = [
  handles,
  settings,
  tls,
  connecting,
  negotiating,
  properties,
  commands,
  waiting,
]

/** All sections of the page. */
export const libnbdSections: readonly Section<string>[] = [...callSections, constants]
