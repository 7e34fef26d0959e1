import type { Section, Standing } from '../requirement.js'

const withoutTlsOnlyExports: Standing = {
  status: 'not-applicable',
  reason: 'A server requires TLS for all exports or for none.',
}

export const tlsModes: readonly Section[] = [
  {
    heading: 'NOTLS mode',
    rules: [
      {
        id: 'server/notls/refuse-starttls',
        keyword: 'MUST',
        rule: 'answer NBD_OPT_STARTTLS with an error: unsupported, or against its policy',
        status: 'kept',
      },
      {
        id: 'server/notls/never-tls-reqd',
        keyword: 'MUST NOT',
        rule: 'answer any option with NBD_REP_ERR_TLS_REQD',
        status: 'kept',
      },
    ],
  },
  {
    heading: 'FORCEDTLS mode',
    rules: [
      {
        id: 'server/forcedtls/acknowledge-starttls',
        keyword: 'MUST',
        rule: 'acknowledge the first NBD_OPT_STARTTLS',
        alsoUnder: ['SELECTIVETLS mode'],
        status: 'kept',
      },
      {
        id: 'server/forcedtls/second-starttls',
        keyword: 'MUST',
        rule: 'answer NBD_OPT_STARTTLS under TLS with NBD_REP_ERR_INVALID',
        alsoUnder: ['SELECTIVETLS mode'],
        status: 'kept',
      },
      {
        id: 'server/forcedtls/ready-to-begin',
        keyword: 'MUST',
        rule: 'be ready for the TLS handshake as soon as it has acknowledged NBD_OPT_STARTTLS',
        status: 'kept',
      },
      {
        id: 'server/forcedtls/all-under-tls',
        keyword: 'MUST',
        rule: 'send and receive everything under TLS from then on',
        status: 'kept',
      },
      {
        id: 'server/forcedtls/failed-handshake',
        keyword: 'MUST',
        rule: 'end the session if the TLS handshake fails',
        status: 'kept',
      },
      {
        id: 'server/forcedtls/refuse-all-else',
        keyword: 'MUST',
        rule: 'answer every other option before TLS with NBD_REP_ERR_TLS_REQD, NBD_OPT_GO and unknown ones included',
        status: 'kept',
      },
      {
        id: 'server/forcedtls/export-name',
        keyword: 'MUST',
        rule: 'end the session after NBD_OPT_EXPORT_NAME before TLS',
        status: 'kept',
      },
      {
        id: 'server/forcedtls/never-tls-reqd-under-tls',
        keyword: 'MUST NOT',
        rule: 'answer an option under TLS with NBD_REP_ERR_TLS_REQD',
        alsoUnder: ['SELECTIVETLS mode'],
        status: 'kept',
      },
    ],
  },
  {
    heading: 'SELECTIVETLS mode',
    rules: [
      {
        id: 'server/selectivetls/refuse-the-export',
        keyword: 'MUST',
        rule: 'answer NBD_OPT_INFO and NBD_OPT_GO before TLS with NBD_REP_ERR_TLS_REQD if the export requires TLS',
        ...withoutTlsOnlyExports,
      },
      {
        id: 'server/selectivetls/export-name',
        keyword: 'MUST',
        rule: 'end the session after NBD_OPT_EXPORT_NAME before TLS if the export requires TLS',
        ...withoutTlsOnlyExports,
      },
      {
        id: 'server/selectivetls/tls-reqd-for-exports-only',
        keyword: 'MUST NOT',
        rule: 'use NBD_REP_ERR_TLS_REQD except for an export that requires TLS or does not exist',
        status: 'kept',
      },
    ],
  },
]
