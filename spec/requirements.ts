/**
 * The rules of the NBD specification for clients and servers: one entry for each MUST and MUST NOT, in the order of its
 * headings. Experimental extensions (extended headers, resize) are not listed.
 *
 * `node scripts/docs.mjs` generates docs/protocol-coverage.md from it.
 */
import type { Party, Requirement, Section } from './requirement.js'
import { baseline } from './requirements/baseline.js'
import { blockStatus } from './requirements/block-status.js'
import { commandFlags } from './requirements/command-flags.js'
import { conventions } from './requirements/conventions.js'
import { handshake } from './requirements/handshake.js'
import { handshakeFlags } from './requirements/handshake-flags.js'
import { informationOptions } from './requirements/information-options.js'
import { metadata } from './requirements/metadata.js'
import { metadataOptions } from './requirements/metadata-options.js'
import { optionReplies } from './requirements/option-replies.js'
import { options } from './requirements/options.js'
import { reading } from './requirements/reading.js'
import { replyTypes } from './requirements/reply-types.js'
import { sizeConstraints } from './requirements/size-constraints.js'
import { tls } from './requirements/tls.js'
import { tlsModes } from './requirements/tls-modes.js'
import { transmission } from './requirements/transmission.js'
import { transmissionFlags } from './requirements/transmission-flags.js'
import { writing } from './requirements/writing.js'

const sections: readonly Section[] = [
  ...conventions,
  ...handshake,
  ...transmission,
  ...tls,
  ...tlsModes,
  ...sizeConstraints,
  ...metadata,
  ...handshakeFlags,
  ...transmissionFlags,
  ...options,
  ...informationOptions,
  ...metadataOptions,
  ...optionReplies,
  ...commandFlags,
  ...replyTypes,
  ...reading,
  ...writing,
  ...blockStatus,
  ...baseline,
]

export const requirements: readonly Requirement[] = sections.flatMap(({ heading, rules }) =>
  rules.map((rule) => ({ ...rule, party: rule.id.slice(0, rule.id.indexOf('/')) as Party, heading })),
)
