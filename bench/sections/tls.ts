import { join } from 'node:path'
import { copyLength, libnbd, nbdcopyToNull, nbdjs } from '../contenders.js'
import { makeCertificates, makePskFile } from '../credentials.js'
import type { Reporter, Row, Section } from '../section.js'
import { withNbdkit, withScratchFolder } from '../servers.js'
import type { Workload } from '../workload.js'

const length = copyLength
const exportSize = 2 ** 30
const workload: Workload = { operation: 'read', length, inFlight: 16, warmUp: 6000, requests: 3000 }
const username = 'alice'

/** A kind of credentials: the arguments for nbdkit, and the parts of the URI. */
interface Credentials {
  readonly name: string
  readonly aim: number
  readonly server: readonly string[]
  readonly userInfo: string
  readonly parameter: string
}

const credentialsIn = (folder: string): readonly Credentials[] => {
  const pskFile = join(folder, 'keys.psk')
  makeCertificates(folder)
  makePskFile(pskFile, username)
  return [
    {
      name: 'PSK',
      aim: 2,
      server: [`--tls-psk=${pskFile}`],
      userInfo: `${username}@`,
      parameter: `tls-psk-file=${pskFile}`,
    },
    {
      name: 'X.509',
      aim: 1,
      server: [`--tls-certificates=${folder}`],
      userInfo: '',
      parameter: `tls-certificates=${folder}`,
    },
  ]
}

const rowsOf = (uri: string, { name, aim }: Credentials): readonly Row[] => [
  {
    name: `${name}, read 256 KiB x 16`,
    work: { count: workload.requests, unit: 'requests', bytes: workload.requests * length },
    ours: nbdjs(uri, workload),
    peer: libnbd(uri, workload),
  },
  {
    name: `${name}, beside nbdcopy of 1 GiB to null:`,
    work: { count: exportSize / length, unit: 'requests', bytes: exportSize },
    aims: { speed: aim },
    ours: nbdjs(uri, { ...workload, requests: exportSize / length }),
    peer: nbdcopyToNull(uri),
  },
]

const measureWith = (credentials: Credentials, { measure }: Reporter): Promise<void> =>
  withNbdkit('unix', ['--tls=require', ...credentials.server, 'null', String(exportSize)], async (plain) => {
    const uri = `${plain.replace('nbd+unix://', `nbds+unix://${credentials.userInfo}`)}&${credentials.parameter}`
    for (const row of rowsOf(uri, credentials)) await measure(row)
  })

export const tls: Section = {
  name: 'tls',
  title: 'TLS',
  text: 'One connection to `nbdkit null --tls=require` over a unix socket. libnbd and nbdcopy are built on GnuTLS, Node on OpenSSL.',
  kind: 'comparison',
  run: (reporter) =>
    withScratchFolder(async (folder) => {
      for (const credentials of credentialsIn(folder)) await measureWith(credentials, reporter)
    }),
}
