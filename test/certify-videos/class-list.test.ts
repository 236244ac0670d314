/**
 * Certified predictions of learners that an engine trains stand a new class that sorts before all others, and the loss of the last
 * video of a class, with the list of classes declared and without. Oracle: training again.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import { certifyBallots } from '../../src/certify/rules/certify-ballots.ts'
import type { LearnerKind } from '../../src/certify/videos/learners/learner-options.ts'
import { type CertifyVideosOptions, planCertification } from '../../src/certify/videos/plan.ts'
import { prepareLearners } from '../../src/certify/videos/prepare.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runSchema } from '../../src/train/configuration.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { listVideos } from '../../src/video/source.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-class-list-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const classes = ['left', 'right', 'up'] as const

interface Row {
  readonly file: string
  readonly label: string
  readonly split: 'train' | 'test'
}
/** Videos to learn from, one of them alone in its class, and to predict. */
let rows: readonly Row[] = []
let inserted: Row

beforeAll(async () => {
  mkdirSync(inFolder('lists'))
  const size = { size: 16, frames: 4 }
  await generateMotionDataset(inFolder('elsewhere'), { clips: 4, ...size, seed: 1, classes: ['left', 'right'] })
  await generateMotionDataset(inFolder('videos'), { clips: 27, ...size, seed: 2, classes: [...classes] })
  const videos = listVideos(inFolder('videos'), { labelFromFolder: true })
  const of = (label: string, count: number, split: Row['split'], from = 0): Row[] =>
    videos
      .filter((video) => video.label === label)
      .slice(from, from + count)
      .map(({ path: file }) => ({ file, label, split }))
  rows = [
    ...of('left', 7, 'train'),
    ...of('right', 2, 'train'),
    ...of('up', 1, 'train'),
    ...of('left', 2, 'test', 7),
    ...of('right', 2, 'test', 2),
  ]
  inserted = { ...of('up', 1, 'train', 1)[0], label: 'aaa' }
  await pretrain(
    runSchema.parse({
      data: { path: inFolder('elsewhere'), samplesPerClip: 1, workers: 1 },
      clip: { stride: 1 },
      mask: { ratio: 0.5 },
      model: {
        ...{ frames: 4, resolution: 16, patch: 8, width: 8, depth: 1, heads: 1 },
        decoder: { width: 8, depth: 1, heads: 1 },
      },
      batch: { size: 2 },
      schedule: { duration: '1 step', warmup: '0 steps' },
      log: { tensorboard: false },
      engine: { threads: 1 },
    }),
    { out: inFolder('run'), processes: decoding },
  )
})

/** Predictions by name, with their radii, and the names of classes. */
async function certified(kind: LearnerKind, data: readonly Row[], declared: boolean) {
  const list = inFolder('lists', 'data.csv')
  writeFileSync(
    list,
    `path,label,split\n${data.map(({ file, label, split }) => `${file},${label},${split}\n`).join('')}`,
  )
  const options: CertifyVideosOptions = {
    ...{
      data: list,
      from: inFolder('run'),
      learner: { kind, epochs: 1 },
      cache: inFolder('store'),
      threads: 1,
      workers: 1,
      processes: decoding,
    },
    ...(declared ? { classes } : {}),
  }
  const plan = await planCertification(options)
  return prepareLearners(plan, options, async ({ learners, set, test }) => {
    const ensemble = await learners.train(set, { by: 'content', learners: 5, threads: 1 })
    const ballots = await ensemble.vote(test, { from: 0, to: test.rows }, { keep: 'votes', threads: 1 })
    const found = certifyBallots(ballots, { rule: 'dpa' }).map(
      ({ prediction, radius }, t) => [test.ids?.[t] ?? '', { name: plan.classes[prediction], radius }] as const,
    )
    return { classes: plan.classes, inputs: new Map(found), records: ensemble.records }
  })
}

test.each(
  (['attentive', 'full', 'scratch'] as const).flatMap((kind) =>
    [true, false].map((declared) => ({ kind, declared, how: declared ? 'declared' : 'any' })),
  ),
)('learners of kind $kind, classes $how', async ({ kind, declared }) => {
  const before = await certified(kind, rows, declared)
  // Otherwise there is nothing to check.
  const robust = [...before.inputs].filter(([, { radius }]) => radius >= 1)
  expect(robust.length).toBeGreaterThan(0)
  const attacks = {
    insert: [inserted, ...rows],
    relabel: rows.map((row, i) => (i === 0 ? { ...row, label: 'aaa' } : row)),
    delete: rows.filter(({ label, split }) => !(label === 'up' && split === 'train')),
  }
  for (const [attack, data] of Object.entries(attacks)) {
    const after = await certified(kind, data, declared)
    if (!declared) expect(after.classes.includes('aaa')).toBe(attack !== 'delete')
    const changed = after.records.filter(({ sha256 }, i) => sha256 !== before.records[i].sha256)
    // A video whose label is none of the declared ones takes no part.
    expect(changed, attack).toHaveLength(declared && attack === 'insert' ? 0 : 1)
    for (const [id, { name }] of robust) expect(after.inputs.get(id)?.name, `${attack}: ${id}`).toBe(name)
  }
})
