import { expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { memoryBackend } from '@nbdjs/server'
import {
  changeCookie,
  changeStatus,
  cutAt,
  delay,
  drop,
  failBackend,
  fragment,
  reorder,
  rewrite,
} from '@nbdjs/server/faults'

const faults = { changeCookie, changeStatus, cutAt, delay, drop, failBackend, fragment, reorder, rewrite }

const backend = memoryBackend(4096)
const all = (): boolean => true

it.each<[keyof typeof faults, readonly unknown[], string]>([
  ['cutAt', [-1], 'cutAt: position: expected an integer, at least 0, received -1'],
  ['cutAt', [], 'cutAt: position: expected an integer, at least 0, received undefined'],
  ['cutAt', [1, { rest: true }], "cutAt: unknown option 'rest', expected one of reset"],
  ['delay', [-1], 'delay: delayMs: expected a number of milliseconds from 0 to 2147483647, received -1'],
  ['delay', [1, 5], 'delay: matches: expected a function, received 5'],
  ['reorder', [0], 'reorder: group: expected an integer, at least 1, received 0'],
  ['fragment', [0], 'fragment: length: expected an integer, at least 1, received 0'],
  ['drop', [5], 'drop: matches: expected a function, received 5'],
  ['rewrite', [], 'rewrite: matches: expected a function, received undefined'],
  ['rewrite', [all], 'rewrite: change: expected a function, received undefined'],
  ['changeCookie', [5], 'changeCookie: change: expected a function, received 5'],
  ['changeCookie', [all, 5], 'changeCookie: matches: expected a function, received 5'],
  ['changeStatus', [], 'changeStatus: change: expected a function, received undefined'],
  ['changeStatus', [all, null], 'changeStatus: matches: expected a function, received null'],
  ['failBackend', [5], 'failBackend: backend: expected a backend, received 5'],
  [
    'failBackend',
    [backend],
    'failBackend: offset: expected a safe integer or a bigint, at least 0, received undefined',
  ],
  [
    'failBackend',
    [backend, { offset: -1n }],
    'failBackend: offset: expected a safe integer or a bigint, at least 0, received -1n',
  ],
  [
    'failBackend',
    [backend, { offset: 0, methods: ['reed'] }],
    "failBackend: methods.0: expected one of 'read', 'write', 'trim', 'zero', 'cache', 'extents', received \"reed\"",
  ],
])('%s() rejects the arguments %p', (name, args, message) => {
  const call = (): unknown => Reflect.apply(faults[name], undefined, args)
  expect(call).toThrow(NbdUsageError)
  expect(call).toThrow(message)
})
