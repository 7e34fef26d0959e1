import type { Section } from '../requirement.js'

export const conventions: readonly Section[] = [
  {
    heading: 'Conventions',
    rules: [
      {
        id: 'client/conventions/no-nul',
        keyword: 'MUST NOT',
        rule: 'send a string with a NUL in it',
        status: 'kept',
      },
      {
        id: 'client/conventions/string-length',
        keyword: 'MUST',
        rule: 'keep every string that it sends within 4096 bytes',
        status: 'kept',
      },
      {
        id: 'server/conventions/no-nul',
        keyword: 'MUST NOT',
        rule: 'send a string with a NUL in it',
        status: 'kept',
      },
      {
        id: 'server/conventions/string-length',
        keyword: 'MUST',
        rule: 'keep every string that it sends within 4096 bytes',
        status: 'kept',
      },
    ],
  },
]
