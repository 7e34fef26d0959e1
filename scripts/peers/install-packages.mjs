/** Installs Debian packages, without letting one of them start a service. */
import { existsSync, readFileSync } from 'node:fs'
import { run, runAsRoot } from './privilege.mjs'

/**
 * @param {readonly string[]} names
 * @throws {Error} if apt fails, or if the installation has started a server.
 */
export const installPackages = (names) => {
  const alreadyListening = isNbdPortTaken()
  runAsRoot(['env', ...noQuestions, 'apt-get', ...patiently, 'update'])
  runAsRoot([
    'env',
    ...noQuestions,
    ...startingNoService,
    'apt-get',
    ...patiently,
    'install',
    '-y',
    '--no-install-recommends',
    ...names,
  ])
  // It must not start at the next boot either.
  if (names.includes('nbd-server') && existsSync('/run/systemd/system')) {
    runAsRoot(['systemctl', 'disable', '--now', 'nbd-server'])
  }
  if (isNbdPortTaken() && !alreadyListening) {
    throw new Error(
      `the installation of ${names.join(', ')} started a server on port ${nbdPort}: run \`systemctl stop nbd-server\``,
    )
  }
}

const nbdPort = 10809
const noQuestions = ['DEBIAN_FRONTEND=noninteractive']
const patiently = ['-q', '-o', 'DPkg::Lock::Timeout=120']

/**
 * Packages ask this file before they start a service; 101 forbids it (Debian's invoke-rc.d(8)). If the machine
 * has this file, it is left alone.
 */
const startingNoService = [
  'sh',
  '-c',
  `policy=/usr/sbin/policy-rc.d
  if ! [ -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\\nexit 101\\n' > $policy && chmod 755 $policy
  fi
  "$@"`,
  'sh',
]

const isNbdPortTaken = () => listeningPorts().includes(nbdPort)

/** The TCP ports with a listener, from proc(5): `local_address` in hexadecimal, state 0A. */
const listeningPorts = () =>
  ['/proc/net/tcp', '/proc/net/tcp6']
    .filter((path) => existsSync(path))
    .flatMap((path) => readFileSync(path, 'utf8').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === '0A')
    .map(([, local = '']) => Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16))

/**
 * @returns {string | undefined} The mirror of Debian's packages that apt is configured for, if it is for one.
 */
export const debianMirror = () => {
  const format = '$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)'
  const targets = run(['apt-get', 'indextargets', '--format', format, 'Created-By: Packages']).split('\n')
  return targets
    .map((line) => /^Debian Debian main ((?:https?|file):\S+)$/.exec(line)?.[1])
    .find((uri) => uri !== undefined)
}
