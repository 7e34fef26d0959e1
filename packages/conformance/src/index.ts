export { ConformanceError } from './conformance-error.js'
export { connectionPeer } from './connection-peer.js'
export { describeConnection, describeTransport, type TestRunner } from './describe-transport.js'
export { runScenarios, type ScenarioResult } from './run-scenarios.js'
export type { Scenario } from './scenario.js'
export { connectionScenarios, transportScenarios } from './scenarios.js'
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
export { peerServerOptions, serverListener, socketPeer } from './socket-peer.js'
