import { expect, test } from 'vitest'
import { gaussians } from '../../../../test/support/gaussians.ts'
import { layOut } from '../layout.ts'
import { digestOfHead } from './head-digest.ts'
import { trainRange } from './job.ts'
import { type HeadOptions, resolveHead } from './list.ts'
import { trainJob } from './train.ts'

const set = gaussians({ rows: 30, seed: 3 })
const learners = 12

test.each<HeadOptions>([{ kind: 'ridge' }, { kind: 'nearest_mean' }, { kind: 'softmax', steps: 5 }])(
  'no number of a head may change, not even of a class that it has no samples of: $kind',
  (head) => {
    const job = trainJob(resolveHead(head), layOut(set, { by: 'content', learners, threads: 1 }))
    const records = trainRange(job, 0, learners)
    const length = job.classes * (job.width + 1)
    let others = 0
    for (const record of records) {
      const trained = job.weights.slice(record.learner * length, (record.learner + 1) * length)
      expect(digestOfHead(job, record, trained)).toBe(record.sha256)
      for (let i = 0; i < length; i++) {
        const changed = trained.slice()
        changed[i] = Number.isFinite(trained[i]) ? trained[i] + 0.125 : 0
        expect(digestOfHead(job, record, changed)).not.toBe(record.sha256)
        if (job.knows[record.learner * job.classes + Math.floor(i / (job.width + 1))] === 0) others++
      }
    }
    expect(others).toBeGreaterThan(0)
  },
)
