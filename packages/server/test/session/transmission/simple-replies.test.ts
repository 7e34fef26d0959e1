import { expect, it } from '@jest/globals'
import { Cmd, ErrorValue, encodeSimpleReply } from '@nbdjs/core/wire'
import { Output } from '../../../src/session/output.js'
import { SimpleReplies } from '../../../src/session/transmission/replies.js'
import { TestConnection } from '../../peer/test-connection.js'

it('simple replies cannot tell a block status, and say so', () => {
  const connection = new TestConnection()
  const output = new Output(connection)
  const cookie = { cookieHigh: 1, cookieLow: 2 }
  new SimpleReplies(output).status({ ...cookie, type: Cmd.BlockStatus, flags: 0, offset: 0, length: 1 })
  output.flush()
  expect(connection.take()).toEqual(encodeSimpleReply(cookie, ErrorValue.EINVAL))
})
