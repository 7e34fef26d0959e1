import type { Section } from '../requirement.js'

export const baseline: readonly Section[] = [
  {
    heading: 'Baseline',
    rules: [
      {
        id: 'client/baseline/notls',
        keyword: 'MUST',
        rule: 'work without TLS',
        status: 'kept',
      },
      {
        id: 'client/baseline/handshake',
        keyword: 'MUST',
        rule: 'know the fixed newstyle handshake, NBD_OPT_INFO and NBD_OPT_GO with NBD_INFO_EXPORT, NBD_OPT_LIST and NBD_OPT_ABORT',
        status: 'kept',
      },
      {
        id: 'client/baseline/transmission',
        keyword: 'MUST',
        rule: 'know simple replies, NBD_CMD_READ, NBD_CMD_WRITE and NBD_CMD_DISC',
        status: 'kept',
      },
      {
        id: 'client/baseline/negotiate-the-rest',
        keyword: 'MUST',
        rule: 'negotiate whatever else it uses, before it uses it',
        status: 'kept',
        unless: 'the caller switches `strict.commands` off',
      },
      {
        id: 'server/baseline/notls',
        keyword: 'MUST',
        rule: 'work without TLS',
        status: 'kept',
      },
      {
        id: 'server/baseline/handshake',
        keyword: 'MUST',
        rule: 'know the fixed newstyle handshake, NBD_OPT_INFO and NBD_OPT_GO with NBD_INFO_EXPORT, NBD_OPT_LIST and NBD_OPT_ABORT',
        status: 'kept',
        unless: '`features` switch some of it off',
      },
      {
        id: 'server/baseline/unknown-options',
        keyword: 'MUST',
        rule: 'answer options that it does not know by NBD_REP_ERR_UNSUP',
        status: 'kept',
      },
      {
        id: 'server/baseline/unknown-options-are-skipped',
        keyword: 'MUST NOT',
        rule: 'lose its place in the stream over them',
        status: 'kept',
      },
      {
        id: 'server/baseline/transmission',
        keyword: 'MUST',
        rule: 'know simple replies, NBD_CMD_READ, NBD_CMD_WRITE and NBD_CMD_DISC',
        status: 'kept',
      },
    ],
  },
]
