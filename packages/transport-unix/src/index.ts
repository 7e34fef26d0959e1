/** NBD over unix domain sockets. */
export { unix } from './unix.js'
