import { bareSocket, libnbd, nbdjs } from '../contenders.js'
import type { Aims, Row, Section } from '../section.js'
import { type SocketKind, withNbdkit } from '../servers.js'
import type { Workload } from '../workload.js'

const KIB = 1024
const MIB = 1024 * KIB
const exportSize = 8 * 2 ** 30

interface Plan extends Workload {
  readonly name: string
  readonly aims?: Aims
  readonly call?: 'pread'
}

const read = { operation: 'read' } as const
const write = { operation: 'write' } as const

const plans: readonly Plan[] = [
  {
    ...read,
    name: 'read 4 KiB x 64',
    length: 4 * KIB,
    inFlight: 64,
    warmUp: 300_000,
    requests: 100_000,
    aims: { speed: 1.5 },
  },
  {
    ...read,
    name: 'read 4 KiB, one at a time',
    length: 4 * KIB,
    inFlight: 1,
    warmUp: 40_000,
    requests: 25_000,
    aims: { speed: 0.85 },
  },
  {
    ...read,
    name: 'read 64 KiB x 16',
    length: 64 * KIB,
    inFlight: 16,
    warmUp: 60_000,
    requests: 30_000,
    aims: { speed: 1.2 },
  },
  {
    ...read,
    name: 'read 256 KiB x 16',
    length: 256 * KIB,
    inFlight: 16,
    warmUp: 20_000,
    requests: 10_000,
    aims: { speed: 1, ofBareSocket: 0.95, processorTime: 1.1 },
  },
  {
    ...read,
    name: 'read 1 MiB x 8',
    length: MIB,
    inFlight: 8,
    warmUp: 5000,
    requests: 3000,
    aims: { speed: 1, ofBareSocket: 0.95 },
  },
  {
    ...write,
    name: 'write 4 KiB x 64',
    length: 4 * KIB,
    inFlight: 64,
    warmUp: 300_000,
    requests: 100_000,
    aims: { speed: 1.5 },
  },
  {
    ...write,
    name: 'write 256 KiB x 16',
    length: 256 * KIB,
    inFlight: 16,
    warmUp: 20_000,
    requests: 10_000,
    aims: { speed: 1 },
  },
  {
    ...read,
    name: 'read 4 KiB x 64, by `pread`',
    length: 4 * KIB,
    inFlight: 64,
    warmUp: 200_000,
    requests: 100_000,
    call: 'pread',
  },
  {
    ...read,
    name: 'read 256 KiB x 16, by `pread`',
    length: 256 * KIB,
    inFlight: 16,
    warmUp: 10_000,
    requests: 10_000,
    call: 'pread',
  },
]

const rowOf = (kind: SocketKind, uri: string, { name, aims, call, ...workload }: Plan): Row => ({
  name: kind === 'tcp' ? `${name}, TCP` : name,
  work: { count: workload.requests, unit: 'requests', bytes: workload.requests * workload.length },
  ours: nbdjs(uri, workload, call),
  peer: libnbd(uri, workload),
  bareSocket: call === undefined ? bareSocket(uri, workload, exportSize) : undefined,
  aims,
})

const requests = (kind: SocketKind, title: string): Section => ({
  name: kind,
  title,
  text: 'One connection to `nbdkit null 8G`. Reads by `preadInto` unless stated otherwise.',
  kind: 'comparison',
  run: ({ measure }) =>
    withNbdkit(kind, ['null', String(exportSize)], async (uri) => {
      for (const plan of plans) await measure(rowOf(kind, uri, plan))
    }),
})

export const requestsOnUnix: Section = requests('unix', 'Requests over a unix socket')
export const requestsOnTcp: Section = requests('tcp', 'Requests over TCP')
