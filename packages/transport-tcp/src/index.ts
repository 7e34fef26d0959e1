export { defaultPort, tcp } from './tcp.js'
export type { TcpOptions } from './tcp-options.js'
