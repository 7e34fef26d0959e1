// jest loads this file without its transform: hence no TypeScript.
import { runVariable } from './test-run.mjs'

/** jest's global set-up: names the run, before any worker starts. */
export default () => {
  process.env[runVariable] = String(process.pid)
}
