import { describe, expect, jest, test } from '@jest/globals'
import { connect, NbdProtocolError } from '@nbdjs/core'
import { octets } from '../bytes.js'
import { watchLeaks } from './leaks.js'
import { ScriptedServer } from './scripted-server.js'
import { rejection } from './settle-promises.js'

watchLeaks()

const text = (characters: string): Uint8Array => new TextEncoder().encode(characters)
const check = 'check the address and the port'
const cases: readonly (readonly [string, Uint8Array, string, string])[] = [
  [
    'an SSH server',
    text('SSH-2.0-OpenSSH_9.2p1\r\n'),
    '"SSH-2.0-OpenSSH_"',
    `this is an SSH server: ${check}`,
  ],
  [
    'an HTTP server',
    text('HTTP/1.1 400 Bad Request\r\n'),
    '"HTTP/1.1 400 Bad"',
    `this is an HTTP server: ${check}`,
  ],
  ['a web page', text('<!DOCTYPE html><html>'), '"<!DOCTYPE html><"', `this is an HTTP server: ${check}`],
  [
    'a QEMU monitor',
    text('{"QMP": {"version": {'),
    '"{\\"QMP\\": {\\"versio"',
    `this is a QEMU monitor: ${check}`,
  ],
  [
    'a mail server',
    text('220 mail.example ESMTP\r\n'),
    '"220 mail.example"',
    `this is an SMTP or FTP server: ${check}`,
  ],
  [
    'another text',
    text('hello\r\n\r\nwho are you'),
    '"hello\\r\\n\\r\\nwho are"',
    `this is not an NBD server: ${check}`,
  ],
  [
    'a TLS server that sends an alert',
    octets('15 03 03 00 02 02 28', '15 03 03 00 02 01 00', '00 00'),
    '15 03 03 00 02 02 28 15 03 03 00 02 01 00 00 00',
    'the server speaks TLS from the first byte, while NBD begins in plaintext: check the port, or leave out the TLS proxy',
  ],
  [
    'binary bytes',
    octets('4a 00 00 00 0a 35 2e 35', '2e 35 2d 31 30 2e 31 31'),
    '4a 00 00 00 0a 35 2e 35 2e 35 2d 31 30 2e 31 31',
    `this is not an NBD server: ${check}`,
  ],
  [
    'an escape sequence',
    text('\u001b]0;owned\u0007-------'),
    '1b 5d 30 3b 6f 77 6e 65 64 07 2d 2d 2d 2d 2d 2d',
    `this is not an NBD server: ${check}`,
  ],
]

describe('C10: a greeting that is not NBD is shown and recognised', () => {
  test.each(cases)('%s', async (_, bytes, received, hint) => {
    const server = new ScriptedServer()
    const connecting = rejection(connect(server.transport))
    await server.dialled()
    server.send(bytes)
    const error = await connecting
    expect(error).toBeInstanceOf(NbdProtocolError)
    expect(error).toMatchObject({
      message: `greeting: expected NBDMAGIC, received ${received}: ${hint}`,
      expected: 'NBDMAGIC',
      received,
      hint,
    })
    await server.disconnected()
  })
})

describe('C10: the beginning of a greeting that is not NBD is shown and recognised', () => {
  test('if the server disconnects after a TLS alert', async () => {
    const server = new ScriptedServer()
    const connecting = rejection(connect(server.transport))
    await server.dialled()
    server.send(octets('15 03 03 00 02 02 28'))
    server.endOfFile()
    expect(await connecting).toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      message: expect.stringContaining(
        'in the greeting: expected 16 bytes, received 7: 15 03 03 00 02 02 28: ',
      ),
      hint: expect.stringMatching(/^the server speaks TLS from the first byte/),
    })
  })

  test('if the server waits until the timeout', async () => {
    const server = new ScriptedServer()
    const connecting = rejection(connect(server.transport))
    await server.dialled()
    server.send(text('RFB 003.008\n'))
    await jest.advanceTimersByTimeAsync(30_000)
    expect(await connecting).toMatchObject({
      errno: 'ETIMEDOUT',
      message: expect.stringContaining(
        'expected 16 bytes, received 12: "RFB 003.008\\n": this is a VNC server',
      ),
      hint: `this is a VNC server: ${check}`,
    })
  })

  test('but not the beginning of a greeting of NBD', async () => {
    const server = new ScriptedServer()
    const connecting = rejection(connect(server.transport))
    await server.dialled()
    server.send(text('NBDMAGICIH'))
    server.endOfFile()
    const { message } = (await connecting) as Error
    expect(message).toContain('in the greeting: expected 16 bytes, received 10: the server may not authorise')
  })
})
