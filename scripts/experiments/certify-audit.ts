// Audits the certificates on real features: random insertions, deletions, edits and label flips, everything trained again
// each time; then attacks with radius + 1 poisons.
//   npx tsx scripts/experiments/certify-audit.ts [--trials 200] [--rows 6000] [--partitions 100] [--threads 2]
// About 10 minutes on 2 cores. Exits non-zero on any violation.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { assertAudit, audit } from '../../src/certify/audit.ts'
import { selectRows } from '../../src/certify/data/feature-set.ts'
import { featureSet, mnistFolder, readMnist } from './mnist/images.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'checkpoints/certify-audit' },
    trials: { type: 'string', default: '200' },
    rows: { type: 'string', default: '6000' },
    inputs: { type: 'string', default: '300' },
    partitions: { type: 'string', default: '100' },
    threads: { type: 'string', default: '2' },
  },
})
const folder = mnistFolder()
const some = (count: string) => Array.from({ length: Number(count) }, (_, i) => i)
const train = selectRows(featureSet(readMnist(folder, 'train'), 'hog', 'train'), some(values.rows))
const test = selectRows(featureSet(readMnist(folder, 't10k'), 'hog', 'test'), some(values.inputs))
mkdirSync(values.out, { recursive: true })
for (const [rule, by, head] of [
  ['dpa', 'content', { kind: 'ridge' }],
  ['roe', 'content', { kind: 'softmax', steps: 50 }],
  ['fa', 'content', { kind: 'ridge' }],
] as const) {
  const start = performance.now()
  const report = await audit(train, test, {
    rule,
    by,
    head,
    spread: 2,
    partitions: Number(values.partitions),
    trials: Number(values.trials),
    attacks: 20,
    attackClips: 20,
    threads: Number(values.threads),
  })
  writeFileSync(path.join(values.out, `${rule}-${by}.json`), `${JSON.stringify(report)}\n`)
  const { trials, poisons, changedLearners, allowedLearners, checkedPredictions, attacks, actions } = report
  console.log(
    `${rule}, buckets by ${by}, ${head.kind} heads: ${trials} poisonings (${poisons} poisons: ${JSON.stringify(actions)}), ` +
      `${changedLearners} learners changed of ${allowedLearners} allowed, ${checkedPredictions} certified predictions checked, ` +
      `${report.violations.length} violations, same bytes again: ${report.reproducible}; ` +
      `attacks: ${attacks.beyond} of ${attacks.tried} succeed at radius + 1, ${attacks.within} at the radius ` +
      `(${((performance.now() - start) / 1000).toFixed(0)} s)`,
  )
  assertAudit(report)
}
