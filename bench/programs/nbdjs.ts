/** `node nbdjs.js URI WORKLOAD [preadInto|pread]`: the library through its public API. */
import { connectUri, type Handle } from '@nbdjs/core'
import { uriTls } from '@nbdjs/tls'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { type Usage, usageOf } from '../usage.js'
import { offsetOf, type Workload } from '../workload.js'

type Request = (offset: number) => Promise<unknown>

/** Each request in flight has its own buffer. */
const requests: Readonly<Record<string, (nbd: Handle, length: number) => Request>> = {
  preadInto: (nbd, length) => {
    const buffer = new Uint8Array(length)
    return (offset) => nbd.preadInto(buffer, offset)
  },
  pread: (nbd, length) => (offset) => nbd.pread(length, offset),
  pwrite: (nbd, length) => {
    const data = new Uint8Array(length).fill(0xa5)
    return (offset) => nbd.pwrite(data, offset)
  },
}

/** The call for each operation, unless the command line names another one. */
const calls: Readonly<Record<Workload['operation'], string>> = {
  read: 'preadInto',
  write: 'pwrite',
  handshakes: '',
}

const connected = (uri: string): Promise<Handle> =>
  connectUri(uri, {
    transports: { tcp, unix },
    tlsProvider: uriTls(),
    allow: { localFiles: true },
    limits: { inFlightCommands: 4096 },
  })

/** Runs one worker for each request in flight. */
const runRequests = async (
  nbd: Handle,
  makeRequest: (nbd: Handle, length: number) => Request,
  workload: Workload,
  count: number,
): Promise<void> => {
  const exportSize = Number(nbd.info.size)
  let sent = 0
  const worker = async (request: Request): Promise<void> => {
    while (sent < count) await request(offsetOf(sent++, workload, exportSize))
  }
  await Promise.all(
    Array.from({ length: workload.inFlight }, () => worker(makeRequest(nbd, workload.length))),
  )
}

const measureRequests = async (uri: string, workload: Workload, call: string): Promise<Usage> => {
  const makeRequest = requests[call]
  if (makeRequest === undefined)
    throw new Error(`nbdjs: call: expected one of ${Object.keys(requests).join(', ')}, received ${call}`)
  await using nbd = await connected(uri)
  await runRequests(nbd, makeRequest, workload, workload.warmUp)
  return await usageOf(() => runRequests(nbd, makeRequest, workload, workload.requests))
}

const runHandshakes = async (uri: string, count: number): Promise<void> => {
  for (let made = 0; made < count; made++) {
    const nbd = await connected(uri)
    await nbd.shutdown()
  }
}

const measureHandshakes = async (uri: string, { warmUp, requests }: Workload): Promise<Usage> => {
  await runHandshakes(uri, warmUp)
  return await usageOf(() => runHandshakes(uri, requests))
}

const [uri = '', json = '', call] = process.argv.slice(2)
const workload = JSON.parse(json) as Workload
const { operation } = workload
const usage =
  operation === 'handshakes'
    ? await measureHandshakes(uri, workload)
    : await measureRequests(uri, workload, call ?? calls[operation])
console.log(JSON.stringify(usage))
