import { describe, expect, it } from '@jest/globals'
import { TransmissionFlag } from '@nbdjs/core/wire'
import { type Backend, memoryBackend, type ServerFeatures } from '@nbdjs/server'
import { createExport } from '../../src/exports.js'
import { resolveOptions } from '../../src/options.js'
import { transmissionFlags } from '../../src/session/export-session.js'

const flagNames = (
  backend: Backend,
  features: Partial<ServerFeatures> = {},
  negotiated = { structuredReplies: true, extendedHeaders: false },
): string[] => {
  const settings = resolveOptions({ exports: {}, features })
  const flags = transmissionFlags(createExport('', backend), settings.features, negotiated)
  return Object.entries(TransmissionFlag)
    .filter(([, flag]) => (flags & flag) !== 0)
    .map(([name]) => name)
}

const all = [
  'HasFlags',
  'SendFlush',
  'SendFua',
  'SendTrim',
  'SendWriteZeroes',
  'SendDf',
  'CanMultiConn',
  'SendCache',
  'SendFastZero',
]
const without = (...names: string[]): string[] => all.filter((name) => !names.includes(name))

const bare: Backend = { size: 1, read: () => new Uint8Array(1) }
const writable: Backend = { ...bare, write() {} }

describe('transmissionFlags', () => {
  // spec: server/transmission-flags/df-if-supported, server/transmission-flags/fast-zero-if-supported
  it('announces everything for memoryBackend()', () => {
    expect(flagNames(memoryBackend(1))).toEqual(all)
  })

  // spec: server/transmission-flags/true, server/transmission-flags/has-flags
  it('announces the methods of a backend', () => {
    expect(flagNames(bare)).toEqual(['HasFlags', 'ReadOnly', 'SendDf'])
    expect(flagNames(writable)).toEqual(['HasFlags', 'SendDf'])
    expect(flagNames({ ...writable, flush() {} })).toEqual(['HasFlags', 'SendFlush', 'SendFua', 'SendDf'])
    expect(flagNames({ ...writable, canFua: true })).toEqual(['HasFlags', 'SendFua', 'SendDf'])
    expect(flagNames({ ...writable, trim() {} })).toEqual(['HasFlags', 'SendTrim', 'SendDf'])
    expect(flagNames({ ...writable, zero() {} })).toEqual(['HasFlags', 'SendWriteZeroes', 'SendDf'])
    expect(flagNames({ ...writable, cache() {} })).toEqual(['HasFlags', 'SendDf', 'SendCache'])
    expect(flagNames({ ...writable, rotational: true })).toEqual(['HasFlags', 'Rotational', 'SendDf'])
  })

  // spec: server/transmission-flags/fast-zero-with-write-zeroes
  it('announces fast zeroes only with zeroes', () => {
    expect(flagNames({ ...writable, canFastZero: true })).toEqual(['HasFlags', 'SendDf'])
    expect(flagNames(memoryBackend(1), { zero: false })).toEqual(without('SendWriteZeroes', 'SendFastZero'))
  })

  it('omits modifying commands for a read-only export', () => {
    expect(flagNames(memoryBackend(1, { readOnly: true }))).toEqual([
      'HasFlags',
      'ReadOnly',
      'SendFlush',
      'SendDf',
      'CanMultiConn',
      'SendCache',
    ])
  })

  // spec: server/transmission-flags/df-with-structured-replies
  it('omits DF without structured replies', () => {
    const negotiated = { structuredReplies: false, extendedHeaders: false }
    expect(flagNames(memoryBackend(1), {}, negotiated)).toEqual(without('SendDf'))
  })

  // spec: server/read/df-up-to-64k
  it('omits DF if the maximum is less than 65536 bytes', () => {
    const blockSize = { minimum: 1, preferred: 4096, maximum: 65535 }
    expect(flagNames(memoryBackend(1, { blockSize }))).toEqual(without('SendDf'))
    expect(flagNames(memoryBackend(1, { blockSize: { ...blockSize, maximum: 65536 } }))).toEqual(all)
  })

  it('announces block status payloads with extended headers and block status', () => {
    const extended = { structuredReplies: true, extendedHeaders: true }
    expect(flagNames(memoryBackend(1), {}, extended)).toEqual([...all, 'BlockStatusPayload'])
    for (const feature of ['blockStatusPayload', 'blockStatus', 'metaContexts']) {
      expect(flagNames(memoryBackend(1), { [feature]: false }, extended)).toEqual(all)
    }
  })

  // spec: server/transmission-flags/true
  it.each([
    ['flush', 'SendFlush'],
    ['fua', 'SendFua'],
    ['trim', 'SendTrim'],
    ['fastZero', 'SendFastZero'],
    ['df', 'SendDf'],
    ['cache', 'SendCache'],
    ['multiConn', 'CanMultiConn'],
  ])('does not announce %s when it is off', (feature, flag) => {
    expect(flagNames(memoryBackend(1), { [feature]: false })).toEqual(without(flag))
  })
})
