/** NBD over TCP. */
export { defaultPort, type TcpOptions, tcp } from './tcp.js'
