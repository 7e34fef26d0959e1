import type { Section } from '../requirement.js'

export const options: readonly Section[] = [
  {
    heading: 'Option types, NBD_OPT_EXPORT_NAME',
    rules: [
      {
        id: 'server/export-name/alone-without-fixed-newstyle',
        keyword: 'MUST',
        rule: 'use fixed newstyle if it accepts any option except this one',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Option types, NBD_OPT_ABORT',
    rules: [
      {
        id: 'server/abort/acknowledge',
        keyword: 'MUST',
        rule: 'answer with NBD_REP_ACK',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Option types, NBD_OPT_LIST',
    rules: [
      {
        id: 'client/list/no-data',
        keyword: 'MUST NOT',
        rule: 'send data with it',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Option types, NBD_OPT_STARTTLS',
    rules: [
      {
        id: 'client/starttls/no-data',
        keyword: 'MUST NOT',
        rule: 'send data with it',
        status: 'kept',
      },
      {
        id: 'server/starttls/acknowledge-or-refuse',
        keyword: 'MUST',
        rule: 'answer with NBD_REP_ACK and begin TLS, or with a suitable error',
        status: 'kept',
      },
      {
        id: 'server/starttls/forget-what-was-agreed',
        keyword: 'MUST NOT',
        rule: 'keep what was negotiated before TLS',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Option types, NBD_OPT_STRUCTURED_REPLY',
    rules: [
      {
        id: 'client/structured-reply/no-data',
        keyword: 'MUST NOT',
        rule: 'send data with it',
        status: 'kept',
      },
      {
        id: 'client/structured-reply/before-what-needs-it',
        keyword: 'MUST NOT',
        rule: 'use an extension whose replies carry data before structured replies were negotiated',
        status: 'kept',
        unless: 'the caller disables `strict.commands`',
      },
      {
        id: 'client/structured-reply/again-under-tls',
        keyword: 'MUST',
        rule: 'negotiate structured replies, and what depends on them, again under TLS',
        status: 'kept',
      },
    ],
  },
]
