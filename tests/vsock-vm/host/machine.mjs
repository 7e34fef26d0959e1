/** Runs the virtual machine and reads its serial line. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/**
 * @typedef {object} MachineOptions
 * @property {string} kernel
 * @property {string} initrd
 * @property {number} silenceLimitMs The machine is killed if it writes no line for this long: a busy host makes it slow.
 * @property {(line: string) => void} onLine Called with each line of the serial line.
 */

/**
 * @typedef {object} Ending
 * @property {boolean} timedOut
 * @property {number | string | null} exit The exit code of qemu, or the signal that killed it.
 * @property {string} errorOutput The error output of qemu.
 */

/**
 * @param {MachineOptions} options
 * @returns {Promise<Ending>} Resolves once the machine is off.
 */
export const runMachine = ({ kernel, initrd, silenceLimitMs, onLine }) =>
  new Promise((resolve, reject) => {
    const machine = spawn('qemu-system-x86_64', [...hardware, '-kernel', kernel, '-initrd', initrd], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      machine.kill('SIGKILL')
    }, silenceLimitMs)
    const onExit = () => machine.kill('SIGKILL')
    process.once('exit', onExit)

    let errorOutput = ''
    machine.stderr.setEncoding('utf8').on('data', (text) => {
      errorOutput += text
    })
    createInterface({ input: machine.stdout }).on('line', (line) => {
      timer.refresh()
      onLine(line)
    })
    machine.once('error', reject)
    machine.once('close', (exitCode, signal) => {
      clearTimeout(timer)
      process.off('exit', onExit)
      resolve({ timedOut, exit: exitCode ?? signal, errorOutput })
    })
  })

const hardware = [
  // Emulation needs no privileges and works inside other virtual machines.
  ['-accel', 'tcg,thread=multi'],
  ['-machine', 'q35'],
  ['-cpu', 'max'],
  ['-smp', '2'],
  ['-m', '1024'],
  // The only device is a serial line, connected to a pipe: no screen, no network, no disk.
  ['-nodefaults', '-display', 'none', '-serial', 'stdio'],
  ['-no-reboot'],
  // A kernel that panics reboots at once, and -no-reboot then ends the machine.
  ['-append', 'console=ttyS0 quiet panic=-1'],
].flat()
