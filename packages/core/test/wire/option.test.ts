import { describe, expect, test } from '@jest/globals'
import { Info, infoName, isErrorReply, Opt, optName, Rep, repName } from '@nbdjs/core/wire'
import { expectTypeOf } from 'expect-type'

// "Option types"; 4 was withdrawn.
const options = [
  [1, 'NBD_OPT_EXPORT_NAME'],
  [2, 'NBD_OPT_ABORT'],
  [3, 'NBD_OPT_LIST'],
  [5, 'NBD_OPT_STARTTLS'],
  [6, 'NBD_OPT_INFO'],
  [7, 'NBD_OPT_GO'],
  [8, 'NBD_OPT_STRUCTURED_REPLY'],
  [9, 'NBD_OPT_LIST_META_CONTEXT'],
  [10, 'NBD_OPT_SET_META_CONTEXT'],
  [11, 'NBD_OPT_EXTENDED_HEADERS'],
] as const

// "Option reply types"
const replies = [
  [1, 'NBD_REP_ACK'],
  [2, 'NBD_REP_SERVER'],
  [3, 'NBD_REP_INFO'],
  [4, 'NBD_REP_META_CONTEXT'],
  [2 ** 31 + 1, 'NBD_REP_ERR_UNSUP'],
  [2 ** 31 + 2, 'NBD_REP_ERR_POLICY'],
  [2 ** 31 + 3, 'NBD_REP_ERR_INVALID'],
  [2 ** 31 + 4, 'NBD_REP_ERR_PLATFORM'],
  [2 ** 31 + 5, 'NBD_REP_ERR_TLS_REQD'],
  [2 ** 31 + 6, 'NBD_REP_ERR_UNKNOWN'],
  [2 ** 31 + 7, 'NBD_REP_ERR_SHUTDOWN'],
  [2 ** 31 + 8, 'NBD_REP_ERR_BLOCK_SIZE_REQD'],
  [2 ** 31 + 9, 'NBD_REP_ERR_TOO_BIG'],
  [2 ** 31 + 10, 'NBD_REP_ERR_EXT_HEADER_REQD'],
] as const

// "Option reply types", under NBD_REP_INFO
const infos = [
  [0, 'NBD_INFO_EXPORT'],
  [1, 'NBD_INFO_NAME'],
  [2, 'NBD_INFO_DESCRIPTION'],
  [3, 'NBD_INFO_BLOCK_SIZE'],
] as const

/** The key of a code in its table: `StructuredReply` for NBD_OPT_STRUCTURED_REPLY. */
const keys = (names: readonly (readonly [number, string])[]): string[] =>
  names.map(([, name]) => name.split('_').slice(2).join('').toLowerCase())

describe('Opt', () => {
  test('contains exactly the option types of the specification', () => {
    expect(Object.values(Opt)).toEqual(options.map(([code]) => code))
    expect(Object.keys(Opt).map((key) => key.toLowerCase())).toEqual(keys(options))
    expectTypeOf<Opt>().toEqualTypeOf<(typeof options)[number][0]>()
  })

  test.each(options)('%i is %s', (code, name) => {
    expect(optName(code)).toBe(name)
  })

  test.each([0, 4, 12, 0xffffffff])('%i is shown as a number', (code) => {
    expect(optName(code)).toBe(`NBD_OPT_? (${code})`)
  })
})

describe('Rep', () => {
  test('contains exactly the option reply types of the specification', () => {
    expect(Object.values(Rep)).toEqual(replies.map(([code]) => code))
    expect(Object.keys(Rep).map((key) => key.toLowerCase())).toEqual(keys(replies))
    expectTypeOf<Rep>().toExtend<number>()
  })

  test.each(replies)('%i is %s', (code, name) => {
    expect(repName(code)).toBe(name)
  })

  test.each([0, 5, 0x80000000, 0x8000000b, 0xffffffff])('%i is shown as a number', (code) => {
    expect(repName(code)).toBe(`NBD_REP_? (${code})`)
  })

  // "Option reply types": all error replies have bit 31 set.
  test('has bit 31 set exactly in the errors', () => {
    const errors = replies.filter(([code]) => isErrorReply(code)).map(([, name]) => name)
    expect(errors).toEqual(replies.map(([, name]) => name).filter((name) => name.startsWith('NBD_REP_ERR_')))
  })

  test.each([
    [0, false],
    [0x7fffffff, false],
    [0x80000000, true],
    [0xffffffff, true],
  ])('isErrorReply(%i) is %s', (reply, expected) => {
    expect(isErrorReply(reply)).toBe(expected)
  })
})

describe('Info', () => {
  test('contains exactly the information types of the specification', () => {
    expect(Object.values(Info)).toEqual(infos.map(([code]) => code))
    expect(Object.keys(Info).map((key) => key.toLowerCase())).toEqual(keys(infos))
    expectTypeOf<Info>().toEqualTypeOf<(typeof infos)[number][0]>()
  })

  test.each(infos)('%i is %s', (code, name) => {
    expect(infoName(code)).toBe(name)
  })

  test.each([4, 0xffff])('%i is shown as a number', (code) => {
    expect(infoName(code)).toBe(`NBD_INFO_? (${code})`)
  })
})
