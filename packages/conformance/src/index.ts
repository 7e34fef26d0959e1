export { ConformanceError } from './checks.js'
export { connectionPeer, peerServerOptions, serverListener, socketPeer } from './peers.js'
export type { Scenario } from './scenario.js'
export type {
  ConnectionSetup,
  Link,
  Listener,
  OpenResources,
  Peer,
  SilentTarget,
  SuiteOptions,
  TransportSetup,
} from './setup.js'
export {
  connectionScenarios,
  describeConnection,
  describeTransport,
  runScenarios,
  type ScenarioResult,
  type TestRunner,
  transportScenarios,
} from './suite.js'
