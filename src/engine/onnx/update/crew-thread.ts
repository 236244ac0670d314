/** Entry of a helper thread. */
import { workerData } from 'node:worker_threads'
import { CrewMember, type CrewShare } from './crew.ts'

new CrewMember(workerData as CrewShare).serve()
