import type { Section } from '../requirement.js'

export const tls: readonly Section[] = [
  {
    heading: 'Server-side requirements',
    rules: [
      {
        id: 'server/tls/one-of-the-modes',
        keyword: 'MUST',
        rule: 'work without TLS, require it, or offer it per export',
        status: 'kept',
      },
      {
        id: 'server/tls/same-mode-to-the-end',
        keyword: 'MUST',
        rule: 'use one of these modes for the whole connection',
        status: 'kept',
      },
      {
        id: 'client/tls/nothing-from-earlier-sessions',
        keyword: 'MUST NOT',
        rule: 'assume that a server offers the same in the next connection',
        status: 'kept',
      },
      {
        id: 'server/tls/fixed-newstyle-only',
        keyword: 'MUST',
        rule: 'work without TLS if fixed newstyle was not negotiated',
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
        rule: 'work with servers in all three modes if it supports TLS',
        status: 'kept',
      },
      {
        id: 'client/tls/fixed-newstyle-only',
        keyword: 'MUST NOT',
        rule: 'send NBD_OPT_STARTTLS if fixed newstyle was not negotiated',
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
        rule: 'continue in plaintext or disconnect if NBD_OPT_STARTTLS is answered with an error',
        status: 'kept',
      },
      {
        id: 'client/tls/failed-handshake',
        keyword: 'MUST',
        rule: 'end the session if the TLS handshake fails',
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
