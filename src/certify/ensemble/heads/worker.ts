/** Thread entry: answers each range it is sent. Started by pool.ts from the compiled file. */
import { parentPort, workerData } from 'node:worker_threads'
import { type AnyJob, runRange } from './work.ts'

const job = workerData as AnyJob

parentPort?.on('message', ([from, to]: readonly [number, number]) => {
  parentPort?.postMessage(runRange(job, from, to))
})
