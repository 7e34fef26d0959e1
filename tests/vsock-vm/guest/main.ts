// All tests are one program, because starting a program is slow on an emulated processor.
import './transport.test.js'
import './handle.test.js'
import './conformance.test.js'
