// One program for all tests: starting another one is slow on an emulated processor.
import './transport.test.js'
import './handle.test.js'
import './conformance.test.js'
