/**
 * The whole path on Gaussian features: certificate files, and label-flip certificates under real flips. Oracles: retraining,
 * independent counting.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { assertAudit, audit } from '../../src/certify/audit/audit.ts'
import { certify } from '../../src/certify/certify.ts'
import { checkShares, trainShare } from '../../src/certify/certify-plan.ts'
import { assignBuckets } from '../../src/certify/ensemble/buckets.ts'
import { sha256 } from '../../src/certify/ensemble/hash.ts'
import { headLearners, poisonedFeatures } from '../../src/certify/ensemble/heads/family.ts'
import { certifyRidgeLabelFlips } from '../../src/certify/ensemble/heads/white-box.ts'
import type { PoisonedRow } from '../../src/certify/ensemble/learners.ts'
import { cleanRows, poisonAtRandom } from '../../src/certify/ensemble/poison.ts'
import { certificateTable, writeCertificate } from '../../src/certify/files/certificate-file.ts'
import { ballotsOfInput } from '../../src/certify/rules/ballot.ts'
import { RandomStream } from '../../src/core/random.ts'
import { gaussians } from '../support/gaussians.ts'

const set = gaussians({ rows: 400, seed: 1 })
const inputs = gaussians({ rows: 60, seed: 2 })
const ridge = { learners: headLearners({ kind: 'ridge' }) }
const fixedEncoder = { digest: 'none', trust: 'fixed', labelsUsed: false, trainedOn: null } as const
describe('certify', () => {
  test('sweeps over partitions and rules, and the file says what its figures mean', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'videomae-certificate-'))
    try {
      const { certificate, manifests } = await certify(set, inputs, {
        ...ridge,
        threat: { threat: 'general', encoder: fixedEncoder },
        by: 'content',
        partitions: [10, 21],
        rules: ['dpa', 'roe', 'fa', 'fa_exact', 'roe_fa'],
        spread: 3,
        threads: 1,
        collective: [0, 2, 4],
        directory: path.join(folder, 'learners'),
      })
      expect(certificate.runs.map((run) => [run.rule, run.partitions, run.learners])).toEqual(
        [10, 21].flatMap((k) => [
          ['dpa', k, k],
          ['roe', k, k],
          ['fa', k, 3 * k],
          ['fa_exact', k, 3 * k],
          ['roe_fa', k, 3 * k],
        ]),
      )
      for (const run of certificate.runs) {
        const radii =
          run.inputs?.filter(({ label, prediction }) => label === prediction).map(({ radius }) => radius) ?? []
        expect(run.summary.cleanAccuracy).toBe(radii.length / 60)
        expect(run.summary.certifiedAccuracy[3]).toBe(radii.filter((radius) => radius >= 3).length / 60)
        expect(run.summary.medianAsPrintedByReferenceScripts).toBe((run.summary.medianRadius ?? -1) + 1)
        expect(run.summary.cleanAccuracy).toBeGreaterThan(0.8)
        expect(run.collective).toHaveLength(3)
        // One set for all inputs is never worse for the defender than one for each.
        for (const { budget, certifiedAccuracy } of run.collective ?? [])
          expect(certifiedAccuracy).toBeGreaterThanOrEqual(run.summary.certifiedAccuracy[budget] ?? 0)
      }
      const [sum, exact] = ['fa', 'fa_exact'].map((rule) => certificate.runs.find((run) => run.rule === rule))
      for (const [t, input] of exact?.inputs?.entries() ?? [])
        expect(input.radius).toBeGreaterThanOrEqual(sum?.inputs?.[t].radius ?? 99)
      await writeCertificate(folder, certificate, manifests)
      expect((await readdir(folder)).sort()).toEqual([
        'buckets-10.json',
        'buckets-21.json',
        'buckets-30.json',
        'buckets-63.json',
        'certificate.json',
        'certified-accuracy.svg',
        'learners',
        'table.md',
      ])
      expect(JSON.parse(await readFile(path.join(folder, 'certificate.json'), 'utf8'))).toEqual(
        JSON.parse(JSON.stringify(certificate)),
      )
      expect(certificateTable(certificate)).toContain('| DPA K=10 |')
      // Certified accuracies are in the table, next to the median.
      const [{ summary }] = certificate.runs
      const [head, , first] = certificateTable(certificate).split('\n')
      const cells = (line: string) => line.split('|').map((cell) => cell.trim())
      const cellOf = (title: string) => cells(first)[cells(head).indexOf(title)]
      expect(cellOf('median r')).toBe(String(summary.medianRadius ?? 'none (below 50%)'))
      expect(cellOf('ensemble right')).toBe(`${(100 * summary.cleanAccuracy).toFixed(1)}%`)
      expect(cellOf('right and r >= 1')).toBe(`${(100 * (summary.certifiedAccuracy[1] ?? 0)).toFixed(1)}%`)
      expect(cells(head).length).toBe(cells(first).length)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('refuses a claim before it trains anything, and groups certify videos and labels apart', async () => {
    const encoder = { ...fixedEncoder, trust: 'protected_set' } as const
    const options = { ...ridge, by: 'content', partitions: 12, rules: ['dpa'], threads: 1 } as const
    await expect(certify(set, inputs, { ...options, threat: { threat: 'general', encoder } })).rejects.toThrow(
      /does not hold/,
    )
    const grouped = { ...fixedEncoder, trust: 'per_group' } as const
    const perGroup = Array.from({ length: 4 }, () => inputs)
    const { certificate } = await certify(
      set,
      { ...inputs, perGroup },
      {
        ...options,
        rules: ['groups'],
        groups: 4,
        threat: { threat: 'general', encoder: grouped },
      },
    )
    await expect(
      certify(set, inputs, {
        ...options,
        rules: ['groups'],
        groups: 4,
        threat: { threat: 'general', encoder: grouped },
      }),
    ).rejects.toThrow(/perGroup/)
    for (const input of certificate.runs[0].inputs ?? [])
      expect(input.labelRadius ?? -1).toBeGreaterThanOrEqual(input.radius)
  })

  test('white-box label-flip radii are at least those of DPA and hold when that many labels are flipped for real', async () => {
    const options = { by: 'content', partitions: 5, threads: 1, head: { kind: 'ridge', lambda: 0.5 } } as const
    const { certificate } = await certify(set, inputs, {
      ...options,
      learners: headLearners(options.head),
      threat: { threat: 'label_flip', encoder: { ...fixedEncoder, trust: 'protected_set' } },
      whiteBox: true,
      rules: ['dpa'],
    })
    await expect(
      certify(set, inputs, {
        ...options,
        groups: 5,
        learners: headLearners(options.head),
        threat: { threat: 'label_flip', encoder: { ...fixedEncoder, trust: 'per_group' } },
        whiteBox: true,
        rules: ['dpa'],
      }),
    ).rejects.toThrow(/one encoder for all base classifiers/)
    const [dpa, inside] = certificate.runs
    expect(inside.rule).toBe('dpa_white_box')
    let larger = 0
    for (const [t, input] of inside.inputs?.entries() ?? []) {
      expect(input.radius).toBeGreaterThanOrEqual(dpa.inputs?.[t].radius ?? 99)
      if (input.radius > (dpa.inputs?.[t].radius ?? 99)) larger++
    }
    expect(larger).toBeGreaterThan(30)
    for (let trial = 0; trial < 10; trial++) {
      const budget = 1 + trial
      const { rows } = poisonAtRandom(set, 'content', budget, new RandomStream(trial, 'flips'), ['flip'])
      const flipped = poisonedFeatures(set, inputs, rows)
      const trained = await ridge.learners.train(flipped, { by: 'content', learners: 5, threads: 1 })
      const ballots = await trained.vote(inputs, { from: 0, to: inputs.rows }, { threads: 1 })
      for (const [t, input] of inside.inputs?.entries() ?? []) {
        if (input.radius < budget) continue
        const counts = [0, 0, 0]
        for (let i = 0; i < 5; i++) counts[ballotsOfInput(ballots, t)[3 * i]]++
        expect(counts.indexOf(Math.max(...counts))).toBe(input.prediction)
      }
    }
  })
})

test('group encoders: each head sees inputs through its own group, and a poisoned video stays inside its group', async () => {
  // Two groups, two "encoders": a different fixed rotation of the axes for each, so a mix-up would ruin the votes.
  const groups = 2
  const rotate = (features: Float32Array, rows: number, groupOf: (row: number) => number) =>
    Float32Array.from({ length: rows * 12 }, (_, i) => {
      const row = Math.floor(i / 12)
      return features[row * 12 + ((i + 5 * groupOf(row)) % 12)]
    })
  const encode = (data: typeof set) => {
    const { bucketOf } = assignBuckets(data, { by: 'content', buckets: groups })
    return { ...data, features: rotate(data.features, data.rows, (row) => bucketOf[row]) }
  }
  const perGroup = [0, 1].map((g) => ({ ...inputs, features: rotate(inputs.features, 60, () => g) }))
  const { certificate } = await certify(
    encode(set),
    { ...inputs, perGroup },
    {
      ...ridge,
      by: 'content',
      partitions: 12,
      rules: ['groups'],
      groups,
      threads: 1,
      threat: { threat: 'general', encoder: { ...fixedEncoder, trust: 'per_group' } },
    },
  )
  expect(certificate.runs[0].summary.cleanAccuracy).toBeGreaterThan(0.8)
  expect(certificate.runs[0].baseAccuracy).toBeGreaterThan(0.7)
  const plan = { by: 'content', groups, learners: 12, threads: 1 } as const
  const before = await ridge.learners.train(encode(set), plan)
  const { rows } = poisonAtRandom(set, 'content', 1, new RandomStream(3), ['delete'])
  const poisoned = poisonedFeatures(set, inputs, rows)
  const after = await ridge.learners.train(encode(poisoned), plan)
  const differing = before.records.filter((record, i) => record.sha256 !== after.records[i].sha256)
  expect(differing).toHaveLength(1)
})

describe('rule temporal', () => {
  const timesOf = (rows: number) => Array.from({ length: rows }, (_, row) => row)
  const timed = { ...set, times: timesOf(400) }
  // Rows 380 and later are not before the end; 13 periods of 25 rows before it, so that rows below 55 are too old.
  const periods = { until: 380, length: 25, coverage: 3 }
  const learners = 11
  const plan = { by: 'time', learners, periods, threads: 1 } as const
  const declared = { threat: { threat: 'temporal', encoder: fixedEncoder }, by: 'time' } as const

  test('trains each learner on its periods, and any poison within a certified stretch leaves the prediction', async () => {
    const { learners: family } = ridge
    const { certificate, manifests } = await certify(timed, inputs, {
      ...{ ...ridge, ...declared, periods, partitions: learners, rules: ['temporal'], threads: 1 },
    })
    const [run] = certificate.runs
    expect(run).toMatchObject({ rule: 'temporal', learners, offsets: [], periods })
    expect(manifests[0]).toMatchObject({ rows: 325, buckets: 13, sizes: new Array(13).fill(25) })
    expect([certificate.trainingRows, certificate.trainingVideos]).toEqual([325, 325])
    expect(certificate.threat.claim).toContain('neighboring periods')
    expect(certificateTable(certificate)).toContain('| temporal K=11 n=3, earliness |')
    const before = await family.train(timed, plan)
    expect(before.records.map(({ samples }) => samples)).toEqual(new Array(learners).fill(75))
    // A learner on its three periods alone, trained by itself, is the same learner.
    const alone = await family.trainOnRows(
      timed,
      [
        timesOf(75)
          .map((i) => 55 + i)
          .reverse(),
      ],
      { threads: 1 },
    )
    const weights = (await before.vote(inputs, { from: 0, to: 60 }, { keep: 'votes' })).ranks
    const alike = (await alone.vote(inputs, { from: 0, to: 60 }, { keep: 'votes' })).ranks
    for (let t = 0; t < 60; t++) expect(weights[t * learners]).toBe(alike[t])

    const entries = run.inputs ?? []
    expect(Math.max(...entries.map(({ radius }) => radius))).toBeGreaterThanOrEqual(2)
    expect(run.summary.cleanAccuracy).toBeGreaterThan(0.8)
    expect(run.earliness?.averageCertifiedRadius).toBeGreaterThan(run.summary.averageCertifiedRadius)
    let [checked, broken] = [0, 0]
    for (let length = 1; length <= 5; length++) {
      for (let from = 0; from + length <= 13; from++) {
        const inside = (row: number) => row >= 55 + 25 * from && row < 55 + 25 * (from + length)
        // Everything in the stretch is relabeled or replaced by inputs under wrong labels.
        const rows = cleanRows(timed).map((row, i): PoisonedRow => {
          if (!inside(i)) return row
          const label = (row.label + 1) % 3
          return i % 2 === 0
            ? { ...row, label }
            : {
                ...{ ...row, content: { kind: 'input', input: i % 60 }, label: (inputs.labels[i % 60] + 1) % 3 },
                digest: sha256(`poison ${i}`),
              }
        })
        const after = await family.train(family.poisoned(timed, inputs, rows), plan)
        const changed = after.records.filter(({ sha256: digest }, i) => digest !== before.records[i].sha256)
        for (const { learner } of changed) {
          expect(learner).toBeLessThan(from + length)
          expect(learner).toBeGreaterThan(from - 3)
        }
        const votes = (await after.vote(inputs, { from: 0, to: 60 }, { keep: 'votes' })).ranks
        for (const [t, { prediction, radius, earliness = 0 }] of entries.entries()) {
          const counts = [0, 0, 0]
          for (let i = 0; i < learners; i++) counts[votes[t * learners + i]]++
          const same = counts.indexOf(Math.max(...counts)) === prediction
          const certified = length <= radius || (from + length === 13 && length <= earliness)
          if (certified) checked++
          if (certified) expect(same).toBe(true)
          else if (!same) broken++
        }
      }
    }
    expect(checked).toBeGreaterThan(500)
    expect(broken).toBeGreaterThan(50)
  })

  test('shares of a cluster and the parts of a sweep are those of one run', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'videomae-periods-'))
    try {
      const options = { ...ridge, ...declared, periods, partitions: [5, 11], rules: ['temporal'], threads: 1 } as const
      await trainShare(timed, { ...options, directory }, { index: 1, count: 2 })
      await expect(checkShares(timed, { ...options, directory })).rejects.toThrow(/2 are missing: 0, 1/)
      const whole = (await certify(timed, inputs, options)).certificate
      expect((await certify(timed, inputs, { ...options, directory })).certificate).toEqual(whole)
      // The newest five learners are the same in both, whatever comes before them.
      const [few, many] = [5, 11].map((count) => ridge.learners.train(timed, { ...plan, learners: count }))
      const digests = (await many).records.map(({ sha256: digest }) => digest)
      expect((await few).records.map(({ sha256: digest }) => digest)).toEqual(digests.slice(-5))
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('is audited: unlimited poison in stretches of periods, and an attack on one period more', async () => {
    const options = { ...ridge, rule: 'temporal', by: 'time', partitions: learners, periods, threads: 1 } as const
    const report = await audit(timed, inputs, { ...options, trials: 20, attacks: 10, attackClips: 60 })
    assertAudit(report)
    expect(report.changedLearners).toBeGreaterThan(20)
    expect(report.changedLearners).toBeLessThanOrEqual(report.allowedLearners)
    expect(report.checkedPredictions).toBeGreaterThan(200)
    // A whole set of actions a period: far more than as many poisoned samples as certified periods.
    expect(report.actions.insert).toBeGreaterThan(3 * report.poisons)
    expect(report.attacks.beyond).toBeGreaterThanOrEqual(8)
    // Learners that read one period more than they say are found out.
    const train: typeof ridge.learners.train = (data, plan) =>
      ridge.learners.train(data, { ...plan, periods: { ...periods, coverage: 2 } })
    const leaky = await audit(timed, inputs, {
      ...{ ...options, learners: { ...ridge.learners, train }, periods: { ...periods, coverage: 1 } },
      ...{ trials: 10, attacks: 0, largestBudget: 2 },
    })
    expect(leaky.violations.length).toBeGreaterThan(0)
  })

  test('stands alone, with a threat of its own', async () => {
    const options = { ...ridge, ...declared, periods, partitions: 5, rules: ['temporal'], threads: 1 } as const
    const refused = (more: object) => expect(certify(timed, inputs, { ...options, ...more })).rejects
    await refused({ rules: ['temporal', 'dpa'] }).toMatchObject({ code: 'RULES_NOT_COMBINED' })
    await refused({ groups: 5 }).toMatchObject({ code: 'RULES_NOT_COMBINED' })
    await refused({ rules: ['dpa'] }).toThrow(/"temporal" with partitions by time/)
    await refused({ by: 'content' }).toThrow(/"time" with rule temporal/)
    await refused({ periods: undefined }).toThrow(/periods with partitions by time/)
    const threat = (name: string) => ({ threat: { threat: name, encoder: fixedEncoder } })
    await refused(threat('general')).toMatchObject({ code: 'THREAT_NOT_CERTIFIED' })
    const seen = { ...fixedEncoder, trust: 'protected_set' }
    await refused({ threat: { threat: 'temporal', encoder: seen } }).toMatchObject({ code: 'THREAT_NOT_CERTIFIED' })
    const flips = await certify(timed, inputs, { ...options, threat: { threat: 'label_flip', encoder: seen as never } })
    expect(flips.certificate.threat.claim).toContain('the labels of any r neighboring periods')
  })
})

test('white-box radii count videos, not clips', async () => {
  const ids = set.ids.map((_, row) => `video-${row >> 1}`)
  const twice = { ...set, ids, digests: set.digests.map((_, row) => set.digests[row & ~1]) }
  const ensemble = await ridge.learners.train(twice, { by: 'content', learners: 5, threads: 1 })
  if (ensemble.heads === undefined) throw new Error('heads are matrices')
  const trained = { ...ensemble.heads, ...ensemble }
  const [clips, videos] = [
    await certifyRidgeLabelFlips(set, trained, inputs),
    await certifyRidgeLabelFlips(twice, trained, inputs),
  ]
  let halved = 0
  for (const [t, { radius }] of videos.entries()) {
    expect(radius).toBeGreaterThanOrEqual(Math.floor(clips[t].radius / 2))
    expect(radius).toBeLessThanOrEqual(Math.max(2, clips[t].radius / 2))
    if (radius < clips[t].radius) halved++
  }
  expect(halved).toBeGreaterThan(30)
})

test('shares trained apart are checked for completeness and then used', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'videomae-shares-'))
  try {
    const options = {
      ...ridge,
      by: 'content',
      partitions: [6, 8],
      rules: ['dpa', 'fa'],
      spread: 2,
      threads: 1,
      directory,
      threat: { threat: 'general', encoder: fixedEncoder },
    } as const
    await trainShare(set, options, { index: 1, count: 2 })
    await expect(checkShares(set, options)).rejects.toThrow(/3 are missing: 0, 1, 2/)
    await trainShare(set, options, { index: 0, count: 2 })
    expect(await checkShares(set, options)).toBe(6 + 12 + 8 + 16)
    const { directory: _, ...alone } = options
    expect((await certify(set, inputs, options)).certificate).toEqual((await certify(set, inputs, alone)).certificate)
  } finally {
    await rm(directory, { recursive: true })
  }
})
