import { describe, expect, test } from '@jest/globals'
import { NbdNegotiationError, NbdTransportError } from '@nbdjs/core'
import { optExportName } from '../../../src/protocol/negotiation/opt-go.js'
import { encodeExportNameReply } from '../../../src/wire/greeting.js'
import { octets, refusal } from '../../bytes.js'
import { Dialogue, type DialogueOptions } from './option-exchange-harness.js'

const shape = { size: 65536, transmissionFlags: 0x85 }
const hangup = new NbdTransportError('gone', { operation: 'read', address: 'test:' })

function dialogueWith(noZeroes: boolean, options: DialogueOptions = {}): Dialogue {
  const dialogue = new Dialogue(options)
  dialogue.negotiation.handshakeFlags = { fixedNewstyle: true, noZeroes }
  return dialogue
}

describe('NBD_OPT_EXPORT_NAME', () => {
  test('is sent with the name', () => {
    const dialogue = dialogueWith(true, { exportName: 'ä' })
    dialogue.read(optExportName(dialogue.negotiation), encodeExportNameReply(shape, true))
    expect(dialogue.sent).toEqual(octets('49 48 41 56 45 4f 50 54  00 00 00 01  00 00 00 02  c3 a4'))
  })

  test.each([
    [true, 10],
    [false, 134],
  ])('with NO_ZEROES %p reads %d bytes', (noZeroes, length) => {
    const dialogue = dialogueWith(noZeroes)
    const reply = encodeExportNameReply(shape, noZeroes)
    expect(reply.length).toBe(length)
    const known = dialogue.read(optExportName(dialogue.negotiation), reply)
    expect(known).toMatchObject({ name: 'disk0', size: 65536n, canFlush: true, canDf: false })
    expect(known.blockSize).toEqual({ minimum: 0, preferred: 0, maximum: 0, payload: 2 ** 25 })
    expect(dialogue.negotiation.info).toBe(known)
  })

  test('decodes every byte of the size', () => {
    const dialogue = dialogueWith(true)
    const reply = octets('01 23 45 67 89 ab cd ef  00 01')
    expect(dialogue.read(optExportName(dialogue.negotiation), reply).size).toBe(0x0123456789abcdefn)
  })

  test('keeps the negotiated features', () => {
    const dialogue = dialogueWith(true)
    dialogue.negotiation.structuredReplies = true
    const reply = encodeExportNameReply(shape, true)
    expect(dialogue.read(optExportName(dialogue.negotiation), reply).canDf).toBe(true)
  })

  test('without an answer was rejected', () => {
    const dialogue = dialogueWith(true)
    const error = dialogue.interrupt(optExportName(dialogue.negotiation), hangup)
    expect(error).toBeInstanceOf(NbdNegotiationError)
    expect(error).toMatchObject({
      message:
        'NBD_OPT_EXPORT_NAME of export "disk0": the server disconnected: the server has no such export, could not open it, or does not permit it',
      ...{ errno: 'ENOENT', option: 'NBD_OPT_EXPORT_NAME', cause: hangup },
    })
  })

  test.each([1, 9])('with %d of 10 bytes was accepted, and the connection broke', (length) => {
    const dialogue = dialogueWith(true)
    const reply = encodeExportNameReply(shape, true).subarray(0, length)
    expect(dialogue.interrupt(optExportName(dialogue.negotiation), hangup, reply)).toBe(hangup)
  })

  test('without its zeroes is a broken connection', () => {
    const dialogue = dialogueWith(false)
    const reply = encodeExportNameReply(shape, true)
    expect(dialogue.interrupt(optExportName(dialogue.negotiation), hangup, reply)).toBe(hangup)
    expect(dialogue.negotiation.info).toBeUndefined()
  })

  test('that fails for another reason has that error', () => {
    const dialogue = dialogueWith(true)
    const reason = new Error('enough')
    expect(dialogue.interrupt(optExportName(dialogue.negotiation), reason)).toBe(reason)
  })

  test('rejects flags of 0', () => {
    const dialogue = dialogueWith(true)
    const reply = encodeExportNameReply({ size: 1, transmissionFlags: 0 }, true)
    expect(refusal(() => dialogue.read(optExportName(dialogue.negotiation), reply)).message).toBe(
      'export "disk0": the transmission flags are 0',
    )
  })
})
