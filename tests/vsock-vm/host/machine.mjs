/** Runs the virtual machine and hands out what it says on its serial line. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/**
 * @typedef {object} MachineOptions
 * @property {string} kernel
 * @property {string} initrd
 * @property {number} timeLimitMs After which the machine is switched off.
 * @property {(line: string) => void} onLine Gets each line of the serial line.
 */

/**
 * @typedef {object} Ending
 * @property {boolean} timedOut
 * @property {number | string | null} exit Its exit code, or the signal that ended it.
 * @property {string} errorOutput What qemu itself had to say.
 */

/**
 * @param {MachineOptions} options
 * @returns {Promise<Ending>} when the machine has been switched off, whoever did it.
 */
export const runMachine = ({ kernel, initrd, timeLimitMs, onLine }) =>
  new Promise((resolve, reject) => {
    const machine = spawn('qemu-system-x86_64', [...hardware, '-kernel', kernel, '-initrd', initrd], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      machine.kill('SIGKILL')
    }, timeLimitMs)
    const onExit = () => machine.kill('SIGKILL')
    process.once('exit', onExit)

    let errorOutput = ''
    machine.stderr.setEncoding('utf8').on('data', (text) => {
      errorOutput += text
    })
    createInterface({ input: machine.stdout }).on('line', onLine)
    machine.once('error', reject)
    machine.once('close', (exitCode, signal) => {
      clearTimeout(timer)
      process.off('exit', onExit)
      resolve({ timedOut, exit: exitCode ?? signal, errorOutput })
    })
  })

const hardware = [
  // Emulated, so that it needs no rights and runs inside of other virtual machines.
  ['-accel', 'tcg,thread=multi'],
  ['-machine', 'q35'],
  ['-cpu', 'max'],
  ['-smp', '2'],
  ['-m', '1024'],
  // Nothing but a serial line, which is this process's pipe: no screen, no network, no disk.
  ['-nodefaults', '-display', 'none', '-serial', 'stdio'],
  ['-no-reboot'],
  // A kernel that panics reboots at once, which ends the machine.
  ['-append', 'console=ttyS0 quiet panic=-1'],
].flat()
