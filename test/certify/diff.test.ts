/** Certificates before and after the protected data changed: what changed, what it costs, and whether the claim held. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { certify } from '../../src/certify/certify.ts'
import type { CertifyOptions } from '../../src/certify/certify-plan.ts'
import { assertDiff, diffCertificates } from '../../src/certify/diff/diff.ts'
import { diffCsv, diffTable } from '../../src/certify/diff/table.ts'
import type { BucketKey } from '../../src/certify/ensemble/buckets.ts'
import type { FeatureSet, TestSet } from '../../src/certify/ensemble/feature-set.ts'
import { bucketOfDigest, sha256 } from '../../src/certify/ensemble/hash.ts'
import { headLearners, poisonedFeatures } from '../../src/certify/ensemble/heads/family.ts'
import { periodOf } from '../../src/certify/ensemble/periods.ts'
import { cleanRows, type PoisonKind, poisonAtRandom, poisonPeriods } from '../../src/certify/ensemble/poison.ts'
import { writeCertificate } from '../../src/certify/files/certificate-file.ts'
import { RandomStream } from '../../src/core/random.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { gaussians } from '../support/gaussians.ts'
import { runHere } from '../support/run-here.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-diff-')

const encoder = { digest: 'none', trust: 'fixed', labelsUsed: false, trainedOn: null } as const
type Options = Omit<CertifyOptions<FeatureSet, TestSet>, 'learners'>

let folders = 0
async function certified(set: FeatureSet, inputs: TestSet, options: Options): Promise<string> {
  const out = path.join(folder, String(folders++))
  const learners = headLearners({ kind: 'nearest_mean' })
  const { certificate, manifests } = await certify(set, inputs, {
    ...options,
    learners,
    votesDirectory: out,
    threads: 1,
  })
  await writeCertificate(out, certificate, manifests)
  return out
}

const small = { classes: 3, width: 4, separation: 0.8 }
const inputs = gaussians({ ...small, rows: 15, seed: 2 })

interface Setup {
  readonly name: string
  readonly options: Options
  readonly kinds?: readonly PoisonKind[]
}
const general = { threat: { threat: 'general', encoder }, partitions: 9 } as const
const setups: readonly Setup[] = [
  { name: 'content', options: { ...general, by: 'content', rules: ['dpa', 'roe', 'roe_fa'], spread: 2 } },
  { name: 'id', options: { ...general, by: 'id', rules: ['dpa', 'fa'], spread: 3 } },
  {
    name: 'source',
    options: { ...general, threat: { threat: 'source', encoder }, by: 'source', rules: ['dpa', 'roe'], partitions: 12 },
  },
  {
    name: 'labels',
    options: { ...general, threat: { threat: 'label_flip', encoder }, by: 'content', rules: ['dpa', 'roe'] },
    kinds: ['flip'],
  },
  { name: 'groups', options: { ...general, by: 'content', rules: ['groups'], partitions: 24, groups: 12 } },
]

/** Every video under a name of its own, which training does not see; an inserted one may have taken the name of another. */
function renamed(set: FeatureSet, by: BucketKey): FeatureSet {
  return by === 'id' ? set : { ...set, ids: set.digests.map((digest, row) => `${set.groups?.[row]} ${digest}`) }
}

/** Units whose rows differ, counted row by row. */
function unitsThatDiffer(before: FeatureSet, after: FeatureSet, by: BucketKey): number {
  const rowsOf = (set: FeatureSet) => {
    const units = new Map<string, string[]>()
    for (let row = 0; row < set.rows; row++) {
      const key = by === 'content' ? set.digests[row] : by === 'id' ? set.ids[row] : (set.groups?.[row] ?? '')
      units.set(key, [...(units.get(key) ?? []), `${set.digests[row]} ${set.labels[row]}`])
    }
    return units
  }
  const [a, b] = [rowsOf(before), rowsOf(after)]
  const differ = (unit: string) => String(a.get(unit)?.sort()) !== String(b.get(unit)?.sort())
  return [...new Set([...a.keys(), ...b.keys()])].filter(differ).length
}

describe.each(setups)('random changes of data by $name', ({ options, kinds }) => {
  const set = gaussians({ ...small, rows: 60, seed: 1 })
  let before = ''
  beforeAll(async () => {
    before = await certified(set, inputs, options)
  })

  test('are named, counted in units, and never contradict the claim', async () => {
    const stream = new RandomStream('diff', options.by, options.rules?.join() ?? '')
    let [certifiedInputs, uncertified] = [0, 0]
    for (let trial = 0; trial < 12; trial++) {
      const poisoning = poisonAtRandom(set, options.by, 1 + (trial % 6), stream, kinds)
      const changed = renamed(poisonedFeatures(set, inputs, poisoning.rows), options.by)
      const diff = await diffCertificates(before, await certified(changed, inputs, options))
      const units = unitsThatDiffer(set, changed, options.by)
      expect(diff.protectedSet?.changes.length).toBe(units)
      expect(units).toBeGreaterThan(0)
      expect(units).toBeLessThanOrEqual(poisoning.cost)
      expect(diff.claimDifferences).toEqual([])
      expect(diff.violations).toEqual([])
      assertDiff(diff)
      for (const run of diff.runs) {
        expect(run.notChecked).toBeNull()
        expect(run.cost).toBe(units)
        expect(run.inputs).toBe(inputs.rows)
        expect(run.learners?.changed).toBeLessThanOrEqual(run.learners?.reached ?? -1)
        expect(run.learners?.changed).toBeGreaterThan(0)
        certifiedInputs += run.certified ?? 0
        uncertified += run.inputs - (run.certified ?? 0)
      }
    }
    // Neither all nor none, so that the check has something to find.
    expect(certifiedInputs).toBeGreaterThan(20)
    expect(uncertified).toBeGreaterThan(20)
  })

  test('another order and the same data are no change', async () => {
    const rows = poisonAtRandom(set, options.by, 0, new RandomStream('order')).rows
    const diff = await diffCertificates(before, await certified(poisonedFeatures(set, inputs, rows), inputs, options))
    expect(diff.protectedSet?.changes).toEqual([])
    for (const run of diff.runs) {
      expect(run).toMatchObject({ cost: 0, predictionsChanged: 0, radiiGained: 0, radiiLost: 0, certified: 15 })
      expect(run.learners).toEqual({ changed: 0, reached: 0 })
    }
  })
})

test('an encoder of a group may change with the videos of its group, and with nothing else', async () => {
  const set = gaussians({ ...small, rows: 60, seed: 1 })
  const groups = 4
  const perGroup = { ...inputs, perGroup: Array.from({ length: groups }, () => inputs) }
  const optionsOf = (digest: string): Options => ({
    threat: { threat: 'general', encoder: { ...encoder, digest, trust: 'per_group' } },
    ...{ by: 'content', partitions: 12, rules: ['groups'], groups },
  })
  const before = await certified(set, perGroup, optionsOf('first'))
  // As pretraining again on the videos of a group would: other features of all of them.
  const group = bucketOfDigest(set.digests[0], groups)
  const features = set.features.map((value, i) =>
    bucketOfDigest(set.digests[Math.floor(i / set.width)], groups) === group ? 2 * value + 1 : value,
  )
  const changed = { ...set, features }
  const rows = cleanRows(set)
  const removed = poisonedFeatures(changed, inputs, rows.slice(1))
  const diff = await diffCertificates(before, await certified(removed, perGroup, optionsOf('second')))
  expect(diff.claimDifferences).toEqual([])
  expect(diff.runs).toMatchObject([{ cost: 1, notChecked: null, learners: { changed: 3, reached: 3 } }])
  assertDiff(diff)
  // A label changes no encoder: the others of the group should have stayed.
  const relabeled = [{ ...rows[0], label: (rows[0].label + 1) % 3 }, ...rows.slice(1)]
  const labels = poisonedFeatures(changed, inputs, relabeled)
  const other = await diffCertificates(before, await certified(labels, perGroup, optionsOf('second')))
  expect(other.protectedSet?.counts).toEqual({ added: 0, removed: 0, label: 1, content: 0 })
  expect(other.runs[0].learners).toEqual({ changed: 3, reached: 1 })
  expect(other.violations.filter(({ kind }) => kind === 'learner')).toHaveLength(2)
})

test('with periods the cost is the stretch that holds all changes, and the newest may be covered by the earliness', async () => {
  const rows = 90
  const times = Array.from({ length: rows }, (_, row) => row)
  const set = { ...gaussians({ ...small, rows, seed: 1 }), times }
  const periods = { until: 88, length: 8, coverage: 2 }
  const options: Options = {
    threat: { threat: 'temporal', encoder },
    by: 'time',
    partitions: 9,
    rules: ['temporal'],
    periods,
  }
  const before = await certified(set, inputs, options)
  const stream = new RandomStream('periods')
  let covered = 0
  for (let trial = 0; trial < 12; trial++) {
    const length = 1 + (trial % 4)
    const from = trial % 2 === 0 ? 10 - length : stream.integer(10 - length + 1)
    const poisoning = poisonPeriods(set, { periods, count: 10, from, length }, stream)
    const changed = renamed(poisonedFeatures(set, inputs, poisoning.rows), 'time')
    const diff = await diffCertificates(before, await certified(changed, inputs, options))
    assertDiff(diff)
    expect(diff.protectedSet?.changes.length).toBeLessThanOrEqual(length)
    expect(diff.runs[0].cost).toBeLessThanOrEqual(length)
    for (const { unit } of diff.protectedSet?.changes ?? []) {
      const period = 9 - Number(unit)
      expect(period >= from && period < from + length).toBe(true)
    }
    covered += diff.runs[0].certified ?? 0
  }
  expect(covered).toBeGreaterThan(10)
  // What no period holds changes nothing.
  const old = times.map((time) => (periodOf(time, periods, 10) < 0 ? time - 1000 : time))
  const diff = await diffCertificates(before, await certified({ ...set, times: old }, inputs, options))
  expect(diff.protectedSet?.changes).toEqual([])
})

describe('a change that the records do not show', () => {
  const options: Options = { ...general, by: 'content', rules: ['dpa'] }
  const set = gaussians({ ...small, rows: 60, seed: 1 })
  let before = ''
  beforeAll(async () => {
    before = await certified(set, inputs, options)
  })

  test('of one sample is found in its base classifier', async () => {
    const features = set.features.slice()
    features[0] += 1
    const diff = await diffCertificates(before, await certified({ ...set, features }, inputs, options))
    expect(diff.violations.map(({ kind }) => kind)).toContain('learner')
    expect(diff.runs[0].learners).toEqual({ changed: 1, reached: 0 })
    expect(() => assertDiff(diff)).toThrow(expect.objectContaining({ code: 'CHANGE_NOT_EXPLAINED' }))
    expect(diffTable(diff)).toContain('CONTRADICTS the claim: DPA K=9, base classifier')
    // A video that is called like a line of the output makes no line.
    const named = {
      unit: 'u',
      change: 'added',
      ids: ['x.mp4\nnothing contradicts the claim'],
      before: [],
      after: ['y'],
    }
    const changes = [named] as const
    const text = diffTable({ ...diff, protectedSet: { ...diff.protectedSet!, changes } as typeof diff.protectedSet })
    expect(text.split('\n')).toContain('  + x.mp4?nothing contradicts the claim (y)  [u]')
  })

  test('of many samples is found in the predictions, and the command ends with 10', async () => {
    const features = set.features.map((value) => -value)
    const after = await certified({ ...set, features }, inputs, options)
    const diff = await diffCertificates(before, after)
    expect(diff.violations.map(({ kind }) => kind)).toContain('prediction')
    const csv = path.join(folder, 'diff.csv')
    const { code, document } = await runHere(`diff ${before} ${after} --csv ${csv}`)
    expect(code).toBe(10)
    expect(document.error?.code).toBe('CHANGE_NOT_EXPLAINED')
    const lines = readFileSync(csv, 'utf8').trimEnd().split('\n')
    expect(lines).toHaveLength(1 + inputs.rows)
    expect(lines[0]).toBe(diffCsv({ runs: [] }).trimEnd())
    const formulas = diff.runs.map((one) => ({
      ...one,
      outcomes: one.outcomes.map((outcome) => ({ ...outcome, label: '=1+1' })),
    }))
    expect(diffCsv({ runs: formulas })).toMatch(/,'=1\+1,/)
    // An earlier table is replaced, and no other list of runs.
    expect((await runHere(`diff ${before} ${after} --csv ${csv}`)).code).toBe(10)
    writeFileSync(csv, 'run,id,sha256,mine\n')
    expect((await runHere(`diff ${before} ${after} --csv ${csv}`)).document.error?.code).toBe('OUTPUT_TAKEN')
  })
})

describe('inputs', () => {
  const options: Options = { ...general, by: 'content', rules: ['dpa'] }
  const set = gaussians({ ...small, rows: 60, seed: 1 })

  test('are matched by content, in any order and under any name', async () => {
    const before = await certified(set, inputs, options)
    const order = [...new RandomStream('inputs').permutation(15)].slice(0, 12)
    const picked: TestSet = {
      rows: 12,
      width: inputs.width,
      features: Float32Array.from(order.flatMap((t) => [...inputs.features.subarray(4 * t, 4 * t + 4)])),
      labels: Int32Array.from(order, (t) => inputs.labels[t]),
      // Names of other inputs: by name they would be compared with the wrong ones.
      ids: order.map((t) => inputs.ids[(t + 1) % 15]),
      digests: order.map((t) => inputs.digests[t]),
    }
    const after = await certified(set, picked, options)
    const diff = await diffCertificates(before, after)
    expect(diff.inputs).toMatchObject({ matchedBy: 'content', both: 12, onlyAfter: [] })
    expect(diff.inputs.onlyBefore).toHaveLength(3)
    expect(diff.runs[0]).toMatchObject({
      inputs: 12,
      predictionsChanged: 0,
      radiiGained: 0,
      radiiLost: 0,
      certified: 12,
    })
  })

  test('of unknown content are matched by name and not checked', async () => {
    const { digests: _, ...unknown } = inputs
    const [before, after] = [await certified(set, unknown, options), await certified(set, unknown, options)]
    const diff = await diffCertificates(before, after)
    expect(diff.inputs).toMatchObject({ matchedBy: 'name', both: 15 })
    expect(diff.runs[0].notChecked).toContain('contents of its inputs')
    const { code, document } = await runHere(`diff ${before} ${after}`)
    expect([code, document.error?.code]).toEqual([7, 'CERTIFICATES_NOT_COMPARABLE'])
  })
})

describe('claims', () => {
  const options: Options = { ...general, by: 'content', rules: ['dpa', 'fa'], spread: 2 }
  const set = gaussians({ ...small, rows: 60, seed: 1 })
  let before = ''
  beforeAll(async () => {
    before = await certified(set, inputs, options)
  })

  test.each<[string, Options]>([
    ['threat.encoder.digest', { ...options, threat: { threat: 'general', encoder: { ...encoder, digest: 'other' } } }],
    ['threat.threat', { ...options, threat: { threat: 'label_flip', encoder } }],
    ['buckets.by', { ...options, by: 'id' }],
  ])('that differ in %s are named and not checked', async (field, other) => {
    const diff = await diffCertificates(before, await certified(set, inputs, other))
    expect(diff.claimDifferences.map((difference) => difference.field)).toContain(field)
    for (const { notChecked, certified: covered } of diff.runs) {
      expect(notChecked).toContain(field)
      expect(covered).toBeNull()
    }
    expect(() => assertDiff(diff)).toThrow(expect.objectContaining({ code: 'CERTIFICATES_NOT_COMPARABLE' }))
  })

  test('of other partitions or another seed of the spread are runs of their own', async () => {
    const fewer = await diffCertificates(before, await certified(set, inputs, { ...options, partitions: 7 }))
    expect(fewer.runs).toEqual([])
    expect(fewer.runsOnlyBefore).toEqual(['DPA K=9', 'FA K=9 d=2'])
    expect(fewer.runsOnlyAfter).toEqual(['DPA K=7', 'FA K=7 d=2'])
    const seeds = await diffCertificates(before, await certified(set, inputs, { ...options, seed: 3 }))
    expect(seeds.runs.map(({ run }) => run)).toEqual(['DPA K=9'])
  })

  test('about labels say nothing about videos that come or go', async () => {
    const labels: Options = { ...options, threat: { threat: 'label_flip', encoder } }
    const all = await certified(set, inputs, labels)
    const rows = poisonAtRandom(set, 'content', 1, new RandomStream('one'), ['delete']).rows
    const diff = await diffCertificates(all, await certified(poisonedFeatures(set, inputs, rows), inputs, labels))
    expect(diff.protectedSet?.counts).toEqual({ added: 0, removed: 1, label: 0, content: 0 })
    expect(diff.runs[0].notChecked).toContain('about labels only')
  })
})

test('a record that is not the one of its certificate is refused', async () => {
  const options: Options = { ...general, by: 'content', rules: ['dpa'] }
  const set = gaussians({ ...small, rows: 60, seed: 1 })
  const [before, after] = [await certified(set, inputs, options), await certified(set, inputs, options)]
  const file = path.join(after, 'protected-set.json')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace(set.digests[5], sha256('another')))
  await expect(diffCertificates(before, after)).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' })
  rmSync(file)
  await expect(diffCertificates(before, after)).rejects.toMatchObject({ code: 'CERTIFICATE_FILE_MISSING' })
})

/** Changes what a JSON file says. */
type Edit = (document: ReturnType<typeof JSON.parse>) => unknown

describe('files that were put together from others are refused', () => {
  const options: Options = { ...general, by: 'source', threat: { threat: 'source', encoder }, rules: ['dpa', 'roe'] }
  let [location, file] = ['', '']
  beforeAll(async () => {
    location = await certified(gaussians({ ...small, rows: 60, seed: 1 }), inputs, options)
    file = path.join(location, 'certificate.json')
  })

  /** The certificate, or a record with its SHA-256 in the certificate, with a change. */
  const changed = (name: string, edit: Edit): void => {
    const document = JSON.parse(readFileSync(path.join(location, name), 'utf8'))
    edit(document)
    const text = JSON.stringify(document)
    writeFileSync(path.join(location, name), text)
    if (name === 'certificate.json') return
    changed('certificate.json', ({ samples }) => {
      samples[name === 'protected-set.json' ? 'protectedSet' : 'inputs'].sha256 = sha256(text)
    })
  }

  test.each([
    ['a run with its inputs in another order', 'certificate.json', (all) => all.runs[1].inputs.reverse(), /every run/],
    ['inputs as the protected set', 'protected-set.json', (all) => (all.side = 'inputs'), /side protected/],
    ['a record of other units', 'protected-set.json', (all) => (all.by = 'content'), /units by source/],
    ['samples without a source', 'protected-set.json', (all) => delete all.samples[3].group, /group .*samples\[3\]/],
  ] as [string, string, Edit, RegExp][])('%s', async (_, name, edit, message) => {
    const before = readFileSync(file)
    const whole = readFileSync(path.join(location, name))
    await diffCertificates(location, location)
    changed(name, edit)
    await expect(diffCertificates(location, location)).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
      message: expect.stringMatching(message),
    })
    writeFileSync(path.join(location, name), whole)
    writeFileSync(file, before)
  })
})
