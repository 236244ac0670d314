/** Entry of a helper thread. */
import { workerData } from 'node:worker_threads'
import { PoolMember, type PoolShare } from './pool.ts'

new PoolMember(workerData as PoolShare).serve()
