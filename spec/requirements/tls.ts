import type { Section } from '../requirement.js'

export const tls: readonly Section[] = [
  {
    heading: 'Server-side requirements',
    rules: [
      {
        id: 'server/tls/one-of-the-modes',
        keyword: 'MUST',
        rule: 'work without TLS, insist on it, or offer it by export',
        status: 'kept',
      },
      {
        id: 'server/tls/same-mode-to-the-end',
        keyword: 'MUST',
        rule: 'keep to one of these modes for as long as a connection lasts',
        status: 'kept',
      },
      {
        id: 'client/tls/nothing-from-earlier-sessions',
        keyword: 'MUST NOT',
        rule: 'take what a server offered in one connection for granted in the next',
        status: 'kept',
      },
      {
        id: 'server/tls/fixed-newstyle-only',
        keyword: 'MUST',
        rule: 'work without TLS where the two sides did not agree on fixed newstyle',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'Client-side requirements',
    rules: [
      {
        id: 'client/tls/any-mode',
        keyword: 'MUST',
        rule: 'cope with a server in any of the three modes once it can do TLS at all',
        status: 'kept',
      },
      {
        id: 'client/tls/fixed-newstyle-only',
        keyword: 'MUST NOT',
        rule: 'send NBD_OPT_STARTTLS where the two sides did not agree on fixed newstyle',
        status: 'kept',
      },
      {
        id: 'client/tls/only-once',
        keyword: 'MUST NOT',
        rule: 'send NBD_OPT_STARTTLS again when TLS already runs',
        status: 'kept',
      },
      {
        id: 'client/tls/upgrade-at-once',
        keyword: 'MUST',
        rule: 'begin the TLS handshake right after NBD_OPT_STARTTLS was acknowledged',
        status: 'kept',
      },
      {
        id: 'client/tls/refused',
        keyword: 'MUST',
        rule: 'go on in plain text or leave when NBD_OPT_STARTTLS is answered by an error',
        status: 'kept',
      },
      {
        id: 'client/tls/failed-handshake',
        keyword: 'MUST',
        rule: 'end the session when the TLS handshake fails',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'TLS versions',
    rules: [
      {
        id: 'client/tls/version-1-2',
        keyword: 'MUST',
        rule: 'be able to speak TLS 1.2',
        status: 'kept',
      },
      {
        id: 'server/tls/version-1-2',
        keyword: 'MUST',
        rule: 'be able to speak TLS 1.2',
        status: 'kept',
      },
    ],
  },
]
