/** What the tests of several packages share. */
export { RecordingReceiver } from './recording-receiver.js'
export { rejection, settlePromises } from './settle-promises.js'
export { listening, SocketFolder } from './socket-folder.js'
