// Not TypeScript, because jest loads this file without a transform.
import { runVariable } from './test-run.mjs'

/** jest's global setup: marks the run before any worker starts. */
export default () => {
  process.env[runVariable] = String(process.pid)
}
