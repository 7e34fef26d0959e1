import { expect, it } from '@jest/globals'
import { encodeInfoRequest, optName, Rep } from '@nbdjs/core/wire'
import { RawClient } from '../peer/raw-client.js'

const noData = new Uint8Array(0)
const aName = encodeInfoRequest({ exportName: 'nothing', infos: [] })

// Not NBD_OPT_EXPORT_NAME, which has no option reply.
const options = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99, 0xffffffff]

// spec: server/notls/never-tls-reqd
it.each(options.map((option) => [optName(option), option] as const))(
  '%s is not asked to come by TLS',
  (_, option) => {
    for (const data of [noData, aName]) {
      const replies = new RawClient().greet().option(option, data)
      expect(replies.length).toBeGreaterThan(0)
      expect(replies.filter(({ reply }) => reply === Rep.ErrTlsReqd)).toEqual([])
    }
  },
)
