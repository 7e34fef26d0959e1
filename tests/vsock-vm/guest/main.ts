import './transport.test.js'
