/** Thread entry: answers each range it is sent. Started by pool.ts from the compiled file. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Job, trainRange, voteRange } from './job.ts'

const job = workerData as Job

parentPort?.on('message', ([from, to]: readonly [number, number]) => {
  parentPort?.postMessage(job.kind === 'train' ? trainRange(job, from, to) : voteRange(job, from, to))
})
