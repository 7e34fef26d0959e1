import { connect } from '@nbdjs/core'
import { nodeTls } from '@nbdjs/tls'
import { tcp } from '@nbdjs/transport-tcp'

/** Prints the size of the disk that a server exports, under TLS. */
export async function printSize(host: string, port: number, certificates: string): Promise<void> {
  const tlsProvider = nodeTls({ certificates })
  await using nbd = await connect(tcp(host, port), { tls: 'require', tlsProvider })
  console.log(`${nbd.info.size} bytes, TLS: ${nbd.session.tls}`)
}
