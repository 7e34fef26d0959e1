import { expect, it } from '@jest/globals'
import { Cid } from '../src/cid.js'

it('has the numbers of vsock(7)', () => {
  expect(Cid).toEqual({ Any: 4294967295, Hypervisor: 0, Local: 1, Host: 2 })
})
