export { maxPathLength } from './socket-path.js'
export { unix } from './unix.js'
