/** What a certificate says of its learners, files and radii; and that long steps end when they are told to. */
import path from 'node:path'
import { expect, test } from 'vitest'
import { certify } from '../../src/certify/certify.ts'
import { headLearners } from '../../src/certify/ensemble/heads/family.ts'
import { RidgeInfluence } from '../../src/certify/ensemble/heads/influence.ts'
import { gatherSamples } from '../../src/certify/ensemble/heads/job.ts'
import { resolveHead } from '../../src/certify/ensemble/heads/list.ts'
import { trainJob } from '../../src/certify/ensemble/heads/train.ts'
import { layOut } from '../../src/certify/ensemble/layout.ts'
import { certificateChart, certificateRemarks, writeCertificate } from '../../src/certify/files/certificate-file.ts'
import { ballotsFromScores } from '../../src/certify/rules/ballot.ts'
import { certifyBallots, certifyInputs } from '../../src/certify/rules/certify-ballots.ts'
import { spreadOffsets } from '../../src/certify/rules/spread.ts'
import type { EncoderProvenance } from '../../src/certify/threat/threat.ts'
import { RandomStream } from '../../src/core/random.ts'
import { Matmul } from '../../src/numeric/wasm/matmul.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { gaussians } from '../support/gaussians.ts'

const folder = folderForTests('videomae-certify-facts-')
const set = gaussians({ rows: 32, seed: 1 })
const inputs = gaussians({ rows: 12, seed: 2 })
const encoder: EncoderProvenance = { digest: 'x', trust: 'fixed', labelsUsed: false, trainedOn: null }

test('more partitions than videos, empty learners and learners of one class are said, in advance and in the certificate', async () => {
  const notes: string[] = []
  const { certificate, manifests } = await certify(set, inputs, {
    learners: headLearners({ kind: 'ridge' }),
    threat: { threat: 'general', encoder },
    by: 'content',
    partitions: [4, 50],
    rules: ['dpa', 'fa_exact'],
    threads: 1,
    onNote: (note) => notes.push(note),
  })
  const [few, , many] = certificate.runs
  expect(few).toMatchObject({ partitions: 4, emptyLearners: 0, warnings: [] })
  expect(few.samples.fewest).toBeGreaterThan(0)
  expect(many.partitions).toBe(50)
  expect(many.emptyLearners).toBeGreaterThanOrEqual(18)
  expect(many.singleClassLearners).toBeGreaterThan(0)
  expect(many.emptyLearners + many.singleClassLearners).toBeLessThanOrEqual(50)
  expect(many.samples.fewest).toBe(0)
  expect(many.warnings.join('; ')).toMatch(
    /K = 50 partitions of 32 units.*at least 18 partitions have no.*of 50 base classifiers have no training sample.*samples of one class only/,
  )
  expect(notes[0]).toContain('K = 50 partitions of 32 units')
  expect(certificateRemarks(certificate).join('\n')).toContain('warning: DPA K=50: ')
  // Rules that count the votes of the same learners have the same warnings: each is printed once, with all it is about.
  const [plain, runOff] = ['dpa', 'roe'].map((rule) => ({ ...many, rule: rule as 'dpa' | 'roe', spread: 1 }))
  const remarks = certificateRemarks({ ...certificate, runs: [plain, runOff] })
  for (const warning of many.warnings)
    expect(remarks.filter((remark) => remark.includes(warning))).toEqual([
      `warning: DPA K=50, DPA+ROE K=50: ${warning}`,
    ])
  expect(certificate.mostFrequentClass.accuracy).toBeGreaterThan(0)
  // The accuracy to beat is that of the class that most inputs have, whatever the training set has most of.
  const counts = new Map<number, number>()
  for (const label of inputs.labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  expect(certificate.baseline?.accuracy).toBe(Math.max(...counts.values()) / inputs.rows)
  const plainRun = certificate.runs[0]
  const weak = {
    ...plainRun,
    summary: { ...plainRun.summary, cleanAccuracy: 0.25 },
    inputs: (plainRun.inputs ?? []).map((input) => ({ ...input, prediction: 0 })),
  }
  const told = certificateRemarks({ ...certificate, baseline: { name: 'most', accuracy: 0.5 }, runs: [weak] }).join(
    '\n',
  )
  expect(told).toContain('always answering most, the most frequent class of the tested inputs, is right for 50.0%')
  expect(told).toMatch(
    /warning: DPA K=4: right for 25\.0 % .*: not better than always answering most, which is right for 50\.0 %/,
  )
  expect(told).toContain(`warning: DPA K=4: it predicts ${certificate.classNames[0]} for every input`)
  expect(certificateRemarks({ ...certificate, runs: [plainRun, { ...plainRun, rule: 'roe' }] })).toContain(
    'DPA K=4 and DPA+ROE K=4: the same prediction and radius for every input',
  )
  expect(certificateRemarks({ ...certificate, runs: [plainRun, { ...weak, rule: 'roe' }] }).join()).not.toContain(
    'the same',
  )
  // A certificate of an earlier version does not state it: it follows from the inputs.
  const { baseline: stated, ...earlier } = certificate
  expect(certificateRemarks(earlier)[0]).toBe(certificateRemarks(certificate)[0])
  expect(certificateRemarks(certificate)[0]).toContain(`always answering ${stated?.name}`)
  expect(certificate.runs[1]).toMatchObject({ rule: 'fa_exact', exactRadii: 12 })
  expect(certificate.runs[1].inputs?.every(({ exact }) => exact === true)).toBe(true)
  const files = await writeCertificate(folder, certificate, manifests)
  expect(files.map((file) => path.basename(file)).sort()).toEqual(
    [
      'certificate.json',
      'certified-accuracy.svg',
      'table.md',
      ...manifests.map(({ buckets }) => `buckets-${buckets}.json`),
    ].sort(),
  )
  const marks = [...certificateChart({ ...certificate, runs: [few] }).matchAll(/text-anchor="middle">([\d.]+)</g)]
  expect(marks.length).toBeGreaterThan(0)
  expect(marks.every(([, mark]) => Number.isInteger(Number(mark)))).toBe(true)
})

test('the influence of samples is the same from either of the two systems', () => {
  const rows = gaussians({ rows: 40, seed: 3 })
  const samples = gatherSamples(
    trainJob(resolveHead({ kind: 'ridge' }), layOut(rows, { by: 'content', learners: 1 })),
    0,
  )
  const points = Float64Array.from({ length: 3 * 13 }, (_, i) => (i % 13 === 12 ? 1 : Math.sin(i)))
  const matmul = new Matmul('f64')
  const primal = new RidgeInfluence(samples, 0.1, matmul).of(points) // 40 samples of 13 numbers
  // The larger system, by Gauss-Jordan: (X X' + lambda I) alpha = X x.
  const n = samples.count
  const dot = (a: Float64Array, i: number, b: Float64Array, j: number) =>
    Array.from({ length: 13 }, (_, k) => a[i * 13 + k] * b[j * 13 + k]).reduce((sum, value) => sum + value, 0)
  for (let t = 0; t < 3; t++) {
    const m = Array.from({ length: n }, (_, i) => [
      ...Array.from({ length: n }, (_, j) => dot(samples.inputs, i, samples.inputs, j) + (i === j ? 0.1 : 0)),
      dot(samples.inputs, i, points, t),
    ])
    for (let i = 0; i < n; i++) {
      m[i] = m[i].map((value, _, row) => value / row[i])
      for (let j = 0; j < n; j++) if (j !== i) m[j] = m[j].map((value, k, row) => value - row[i] * m[i][k])
    }
    for (let j = 0; j < n; j++) expect(primal[t * n + j]).toBeCloseTo(m[j][n], 8)
  }
})

test('label flips of heads with many more samples than features are certified, with what it needs said before', async () => {
  const large = gaussians({ rows: 6000, seed: 4, separation: 2 })
  const trained = await headLearners({ kind: 'ridge' }).train(large, { by: 'content', learners: 1, threads: 1 })
  const notes: string[] = []
  const done: number[] = []
  const certified = await trained.certifyLabelFlips?.(inputs, {
    threads: 1,
    onNote: (note) => notes.push(note),
    onProgress: (count) => done.push(count),
  })
  expect(notes.join()).toMatch(
    /white-box: 6000 samples in 1 base classifiers, the largest of 6000; about \d+\.\d GiB and \d+ s/,
  )
  expect(done.at(-1)).toBe(12)
  // One learner: DPA certifies nothing, or next to nothing.
  expect(Math.max(...(certified ?? []).map(({ radius }) => radius))).toBeGreaterThan(20)
})

test('certificates of inputs are those of certifyBallots, continue from known ones, and end when they are told to', async () => {
  const stream = new RandomStream('turns')
  const ballots = ballotsFromScores(
    Float64Array.from({ length: 40 * 12 * 3 }, () => stream.normal()),
    40,
    12,
    3,
  )
  const rule = { rule: 'roe_fa', offsets: spreadOffsets(6, 2) } as const
  const all = certifyBallots(ballots, rule)
  expect(await certifyInputs(ballots, rule)).toEqual(all)
  const fresh: number[] = []
  const known = all.slice(0, 30)
  expect(await certifyInputs(ballots, rule, { known, onProgress: (done) => fresh.push(done) })).toEqual(all)
  expect(fresh).toEqual([31, 32, 33, 34, 35, 36, 37, 38, 39, 40])
  const controller = new AbortController()
  const stopped = certifyInputs(ballots, rule, {
    signal: controller.signal,
    onProgress: (done) => {
      if (done === 7) controller.abort(new Error('told to'))
      if (done > 7) throw new Error('went on')
    },
  })
  await expect(stopped).rejects.toThrow('told to')
})

test('training of one large head ends when it is told to, also on one thread', async () => {
  const large = gaussians({ rows: 4000, seed: 5, width: 600 })
  const controller = new AbortController()
  setTimeout(() => controller.abort(new Error('told to')), 300)
  const head = { kind: 'softmax', steps: 100_000 } as const
  const plan = { by: 'content', learners: 1, threads: 1, signal: controller.signal } as const
  const training = headLearners(head).train(large, plan)
  await expect(training).rejects.toThrow('told to')
})
