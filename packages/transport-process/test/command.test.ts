import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { command } from '@nbdjs/transport-process'
import { childrenOfThisProcess, describeOnLinux } from './children.js'
import { destroyStarted, everythingFrom, failureOf, started } from './started.js'

const folder = mkdtempSync(join(tmpdir(), 'nbdjs-'))
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(destroyStarted)

const node = (program: string, ...args: readonly string[]): string[] => [
  process.execPath,
  '-e',
  program,
  ...args,
]

describe('command', () => {
  it('copies its arguments', async () => {
    const argv = ['/bin/sh', '-c', 'echo one']
    const transport = command(argv)
    argv[2] = 'echo two'
    expect(await everythingFrom(transport)).toBe('one\n')
  })
})

describe('the process', () => {
  it('gets its arguments unchanged', async () => {
    const args = ['a  b', '', '$HOME', '-x', "'", '"', '\n', '*', 'ü']
    const program = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))'
    const output = await everythingFrom(command(node(program, '--', ...args)))
    expect(JSON.parse(Buffer.from(output, 'latin1').toString())).toEqual(args)
  })

  it('gets the environment of the moment of the dial', async () => {
    const transport = command(['/bin/sh', '-c', 'echo "$NBDJS_TEST"'])
    process.env['NBDJS_TEST'] = 'set later'
    try {
      expect(await everythingFrom(transport)).toBe('set later\n')
    } finally {
      delete process.env['NBDJS_TEST']
    }
  })

  it('is started by each dial', async () => {
    const transport = command(['/bin/sh', '-c', 'echo $$'])
    expect(await everythingFrom(transport)).not.toBe(await everythingFrom(transport))
  })

  it('may read from its standard output, and write to its standard input', async () => {
    const { connection, receiver } = await started(
      command(['/bin/sh', '-c', 'read line <&1; echo "got $line" >&0']),
    )
    connection.write([Buffer.from('this\n')])
    await receiver.until(() => receiver.text === 'got this\n')
    await connection.close()
    expect(await receiver.closedWith).toBeUndefined()
  })

  describeOnLinux('as /proc shows it', () => {
    it('has one blocking socket for 0 and 1, a pipe for 2, and nothing else', async () => {
      const { connection, receiver } = await started(
        command([
          '/bin/sh',
          '-c',
          'readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2; ls -C /proc/$$/fd; cat /proc/$$/fdinfo/0; exec cat',
        ]),
      )
      await receiver.until(() => /flags:\t\d+\n/.test(receiver.text))
      const [stdin, stdout, stderr, descriptors] = receiver.text.split('\n')
      expect(stdin).toMatch(/^socket:\[\d+\]$/)
      expect(stdout).toBe(stdin)
      expect(stderr).toMatch(/^(pipe|socket):\[\d+\]$/)
      expect(stderr).not.toBe(stdin)
      // Descriptors that this process inherited go to each child.
      const ofAnyChild = execFileSync('/bin/sh', ['-c', 'ls -C /proc/$$/fd; true'], { encoding: 'utf8' })
      expect(descriptors).toBe(ofAnyChild.trimEnd())
      expect(descriptors).toMatch(/^0 +1 +2\b/)
      const O_NONBLOCK = 0o4000
      const flags = Number.parseInt(/flags:\t(\d+)/.exec(receiver.text)?.[1] as string, 8)
      expect(flags & O_NONBLOCK).toBe(0)
      await connection.close()
    })

    it('has the default for SIGPIPE, and no signal blocked', async () => {
      const text = await everythingFrom(command(['grep', '^Sig[BI]', '/proc/self/status']))
      expect(text).toBe('SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n')
    })
  })
})

describe('a program that cannot be started', () => {
  it('is named', async () => {
    const error = await failureOf(command(['nbdjs-no-such-program', '-s']))
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({
      message: expect.stringMatching(
        /^dial of command:nbdjs-no-such-program failed: ENOENT: there is no program "nbdjs-no-such-program" in PATH/,
      ),
      errno: 'ENOENT',
      operation: 'dial',
      address: 'command:nbdjs-no-such-program',
    })
  })

  it('because it is not executable is reported', async () => {
    const path = join(folder, 'plain')
    writeFileSync(path, '')
    expect(await failureOf(command([path]))).toMatchObject({
      message: `dial of command:${path} failed: EACCES: "${path}" cannot be executed`,
      errno: 'EACCES',
    })
  })

  it('because of too long arguments is reported', async () => {
    expect(await failureOf(command(['true', 'x'.repeat(1024 * 1024)]))).toMatchObject({
      message: 'dial of command:true failed: spawn E2BIG',
      errno: 'E2BIG',
    })
  })

  it('because its interpreter is missing is reported by the shell', async () => {
    const path = join(folder, 'script')
    writeFileSync(path, '#!/nonexistent/interpreter\n')
    chmodSync(path, 0o755)
    await expect(everythingFrom(command([path]))).rejects.toMatchObject({
      message: expect.stringMatching(/the process exited with code 12[67]: ".*script: not found"$/),
    })
  })
})

describe('onSpawn', () => {
  // libnbd: nbd_get_subprocess_pid, nbd_kill_subprocess
  it('gets each process, and can kill it', async () => {
    const pids: number[] = []
    const transport = command(['/bin/sh', '-c', 'echo $$; exec cat'], {
      onSpawn: (subprocess) => {
        pids.push(subprocess.pid)
        if (pids.length === 2) subprocess.kill()
      },
    })
    const first = await started(transport)
    await first.receiver.until(() => first.receiver.text.endsWith('\n'))
    expect(pids).toEqual([Number(first.receiver.text)])
    await first.connection.close()

    const second = await started(transport)
    expect(await second.receiver.closedWith).toMatchObject({
      message: 'read of command:/bin/sh failed: the process was killed by SIGTERM',
      errno: 'ECONNRESET',
    })
    expect(pids).toHaveLength(2)
  })

  it('fails the dial with what it throws, and ends the process', async () => {
    let pid = 0
    const failure = new Error('not this one')
    const transport = command(['sleep', '60'], {
      onSpawn: (subprocess) => {
        pid = subprocess.pid
        throw failure
      },
    })
    expect(await failureOf(transport)).toBe(failure)
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })
})

describeOnLinux('an aborted dial', () => {
  it('starts no process', async () => {
    const before = childrenOfThisProcess()
    const spawned: number[] = []
    const transport = command(['sleep', '60'], { onSpawn: ({ pid }) => spawned.push(pid) })
    const reason = new Error('aborted')
    expect(await failureOf(transport, AbortSignal.abort(reason))).toBe(reason)
    const controller = new AbortController()
    const dial = failureOf(transport, controller.signal)
    controller.abort(reason)
    expect(await dial).toBe(reason)
    expect(spawned).toEqual([])
    expect(childrenOfThisProcess()).toEqual(before)
  })
})
