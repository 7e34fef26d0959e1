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
        rule: 'support the fixed newstyle handshake, NBD_OPT_INFO and NBD_OPT_GO with NBD_INFO_EXPORT, NBD_OPT_LIST and NBD_OPT_ABORT',
        status: 'kept',
      },
      {
        id: 'client/baseline/transmission',
        keyword: 'MUST',
        rule: 'support simple replies, NBD_CMD_READ, NBD_CMD_WRITE and NBD_CMD_DISC',
        status: 'kept',
      },
      {
        id: 'client/baseline/negotiate-the-rest',
        keyword: 'MUST',
        rule: 'negotiate all other features before it uses them',
        status: 'kept',
        unless: 'the caller disables `strict.commands`',
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
        rule: 'support the fixed newstyle handshake, NBD_OPT_INFO and NBD_OPT_GO with NBD_INFO_EXPORT, NBD_OPT_LIST and NBD_OPT_ABORT',
        status: 'kept',
        unless: '`features` disable parts of it',
      },
      {
        id: 'server/baseline/unknown-options',
        keyword: 'MUST',
        rule: 'answer unknown options with NBD_REP_ERR_UNSUP',
        status: 'kept',
      },
      {
        id: 'server/baseline/unknown-options-are-skipped',
        keyword: 'MUST NOT',
        rule: 'lose its position in the stream because of them',
        status: 'kept',
      },
      {
        id: 'server/baseline/transmission',
        keyword: 'MUST',
        rule: 'support simple replies, NBD_CMD_READ, NBD_CMD_WRITE and NBD_CMD_DISC',
        status: 'kept',
      },
    ],
  },
]
