import { endianness } from 'node:os'
import { describe, expect, it } from '@jest/globals'
import { decodeSockaddrVm, encodeSockaddrVm } from '../src/sockaddr-vm.js'

const isLittle = endianness() === 'LE'

describe('struct sockaddr_vm', () => {
  it('has its fields where <linux/vm_sockets.h> has them, in the byte order of the machine', () => {
    const bytes = encodeSockaddrVm({ cid: 0xfffffffe, port: 0x01020304 })
    expect(bytes).toHaveLength(16)
    const view = new DataView(bytes.buffer)
    expect(view.getUint16(0, isLittle)).toBe(40)
    expect(view.getUint16(2, isLittle)).toBe(0)
    expect(view.getUint32(4, isLittle)).toBe(0x01020304)
    expect(view.getUint32(8, isLittle)).toBe(0xfffffffe)
    expect([...bytes.subarray(12)]).toEqual([0, 0, 0, 0])
  })

  it.each([
    { cid: 0, port: 0 },
    { cid: 2, port: 10809 },
    { cid: 0xffffffff, port: 0xffffffff },
  ])('comes back as it was: %p', (address) => {
    expect(decodeSockaddrVm(encodeSockaddrVm(address))).toEqual(address)
  })

  it('is decoded where it does not begin at the start of its memory', () => {
    const memory = new Uint8Array(33)
    memory.set(encodeSockaddrVm({ cid: 3, port: 7 }), 5)
    expect(decodeSockaddrVm(memory.subarray(5, 21))).toEqual({ cid: 3, port: 7 })
  })

  it('is not what another family or a short answer holds', () => {
    expect(decodeSockaddrVm(new Uint8Array(16))).toBeUndefined()
    expect(decodeSockaddrVm(encodeSockaddrVm({ cid: 3, port: 7 }).subarray(0, 15))).toBeUndefined()
  })
})
