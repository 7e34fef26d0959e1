/**
 * The inner files of the built transport: what tests of a vsock need beyond what users do, such as a socket that
 * listens. They are not exported, so they are loaded by their place in the virtual machine.
 */
const folder = '/app/node_modules/@nbdjs/transport-vsock/dist'

type Libc = typeof import('../../../packages/transport-vsock/src/libc.js')
type LinuxSyscalls = typeof import('../../../packages/transport-vsock/src/linux-syscalls.js')
type Adopt = typeof import('../../../packages/transport-vsock/src/adopt.js')

export const { loadLibc }: Libc = await import(`${folder}/libc.js`)
export const { encodeSockaddrVm, linuxSyscalls }: LinuxSyscalls = await import(`${folder}/linux-syscalls.js`)
export const { adoptDescriptor }: Adopt = await import(`${folder}/adopt.js`)
