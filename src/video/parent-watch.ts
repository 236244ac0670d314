import { Socket } from 'node:net'
import { parentPort } from 'node:worker_threads'
import { killGroup } from './process-group.ts'
import { lifeline } from './protocol.ts'

/**
 * Entry of a thread of every decoding process: it ends the process when the parent has gone away. The main thread cannot
 * be left to notice: it may hang in a codec for ever. The parent holds the other end of a pipe on which nothing is ever
 * sent; the operating system closes it however the parent ends, kill -9 included.
 */
const pipe = new Socket({ fd: lifeline, readable: true, writable: false })
pipe.on('error', () => undefined) // `close` follows.
pipe.on('close', () => killGroup(process.pid))
pipe.resume()
parentPort?.postMessage('watching')
