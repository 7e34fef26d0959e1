export { unix } from './unix.js'
