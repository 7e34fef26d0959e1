import type { Section } from '../section.js'
import { copies } from './copies.js'
import { embeddedServer } from './embedded-server.js'
import { handshakes } from './handshakes.js'
import { libraryAlone } from './library-alone.js'
import { map } from './map.js'
import { memory } from './memory.js'
import { requestsOnTcp, requestsOnUnix } from './requests.js'
import { tls } from './tls.js'

/** In the order of the report. */
export const sections: readonly Section[] = [
  requestsOnUnix,
  requestsOnTcp,
  copies,
  tls,
  map,
  handshakes,
  memory,
  embeddedServer,
  libraryAlone,
]
