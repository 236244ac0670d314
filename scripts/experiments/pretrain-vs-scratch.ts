// Does pretraining help? The same model and the same fine-tuning budget, from a pretrained encoder and from fresh weights,
// at all training videos and at 10 and 5 per class, several seeds.
//   npx tsx scripts/experiments/pretrain-vs-scratch.ts [--data motion|fights] [--quick] [--out checkpoints/pretrain-vs-scratch]
// Default: about two hours on two cores; --quick: some minutes. It can be stopped and started again. --modes ridge,attentive
// leaves full out, --modes none all of them; --shots all,10 and --starts scratch some cells. Larger runs, on a GPU:
//   --engine cuda --precision bfloat16 --batch 256 --samples 8 --workers 14 --pretrain-seconds 150 --width 256 --depth 8 ...
// --steps, or --pretrain-seconds: as many as fit. --unlabeled: folders to pretrain on. --from RUN: an encoder that is there,
// without pretraining; several processes with --from and the same --out may divide the cells among themselves. Writes
// accuracy.csv of the folder, in the form of dev/results/; --table FILE writes it elsewhere.

import { existsSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import type { Curve } from '../../src/certify.ts'
import type { FinetuneInput, RunInput } from '../../src/index.ts'
import { writeFigure } from '../support/figures.ts'
import { type ResultRow, writeResults } from '../support/results-file.ts'
import {
  Cells,
  learningCurve,
  meanWithInterval,
  motionData,
  numberOr,
  pretrainOnce,
  smallPretraining,
  stepsWithin,
  testOnce,
} from './support/study.ts'

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: 'motion' },
    quick: { type: 'boolean', default: false },
    out: { type: 'string' },
    table: { type: 'string' },
    steps: { type: 'string' },
    'finetune-steps': { type: 'string' },
    seeds: { type: 'string', default: '3' },
    modes: { type: 'string', default: 'ridge,attentive,full' },
    width: { type: 'string' },
    depth: { type: 'string' },
    resolution: { type: 'string' },
    patch: { type: 'string' },
    frames: { type: 'string' },
    stride: { type: 'string' },
    mask: { type: 'string' },
    'mask-ratio': { type: 'string' },
    clips: { type: 'string' },
    from: { type: 'string' },
    unlabeled: { type: 'string' },
    shots: { type: 'string', default: 'all,10,5' },
    starts: { type: 'string', default: 'pretrained,scratch' },
    'pretrain-seconds': { type: 'string' },
    rate: { type: 'string' },
    batch: { type: 'string' },
    samples: { type: 'string' },
    flip: { type: 'boolean', default: false },
    heads: { type: 'string' },
    'decoder-width': { type: 'string' },
    'decoder-depth': { type: 'string' },
    'decoder-heads': { type: 'string' },
    'finetune-batch': { type: 'string' },
    'finetune-samples': { type: 'string' },
    'finetune-rate': { type: 'string' },
    workers: { type: 'string' },
    engine: { type: 'string' },
    precision: { type: 'string', default: 'float32' },
    threads: { type: 'string' },
  },
})
const { quick } = values
const motion = values.data === 'motion'
const steps = numberOr(values.steps, quick ? 1200 : 12_000)
const finetuneSteps = numberOr(values['finetune-steps'], quick ? 300 : 1500)
const seeds = Number(values.seeds)
const stride = numberOr(values.stride, 2)
// Whole masked frames can be filled by motion alone; tubes may be filled from their neighbors in space (docs/masks.md).
const kind = z.enum(['tube', 'random', 'frame']).parse(values.mask ?? (motion ? 'frame' : 'tube'))
const ratio = numberOr(values['mask-ratio'], motion ? 0.5 : 0.9)
const out = values.out ?? path.join('checkpoints', `pretrain-vs-scratch-${values.data}${quick ? '-quick' : ''}`)
const numberOrNull = (value: string | undefined) => (value === undefined ? null : Number(value))
const engine = {
  name: values.engine ?? null,
  threads: numberOrNull(values.threads),
  precision: z.enum(['float32', 'bfloat16']).parse(values.precision),
}
const workers = numberOrNull(values.workers)
const width = numberOr(values.width, motion ? 96 : 192)
const size = {
  width,
  depth: numberOr(values.depth, motion ? 4 : 6),
  frames: numberOr(values.frames, motion ? 8 : 16),
  resolution: numberOr(values.resolution, motion ? 32 : 64),
  patch: numberOr(values.patch, 8),
  ...(values.heads === undefined ? {} : { heads: Number(values.heads) }),
  decoder: {
    width: numberOr(values['decoder-width'], Math.max(64, width / 2)),
    depth: numberOr(values['decoder-depth'], 2),
    heads: numberOr(values['decoder-heads'], 2),
  },
}

const real = path.join(process.env.VIDEOMAE_TEST_DATA ?? '../shared/data', 'fights')
if (!motion && !existsSync(real)) throw new Error(`Expected the data set fights at ${real}; set VIDEOMAE_TEST_DATA.`)
const data = motion
  ? await motionData(path.join(out, 'data'), {
      unlabeled: numberOr(values.clips, quick ? 800 : 4000),
      labeled: quick ? 800 : 1600,
      size: size.resolution,
    })
  : { unlabeled: real, labeled: path.join(real, 'labels.csv') }

const pretrainBatch = numberOr(values.batch, 64)
const seconds = numberOr(values['pretrain-seconds'], Number.POSITIVE_INFINITY)
const pretraining = (length: number): RunInput => ({
  data: {
    path: values.unlabeled?.split(',') ?? data.unlabeled,
    samplesPerClip: numberOr(values.samples, 4),
    workers,
  },
  clip: { stride, crop: 'random-resized', cropScale: [0.5, 1], flip: values.flip },
  mask: { kind, ratio },
  ...smallPretraining(size, {
    steps: length,
    batch: pretrainBatch,
    parts: 24,
    learningRate: numberOr(values.rate, 2e-3),
    engine,
  }),
})

/** The encoder that was named, or one that is pretrained now. */
async function pretrainedEncoder() {
  if (values.from !== undefined) return { run: values.from, curve: await learningCurve(values.from) }
  const probed = values.steps === undefined && values['pretrain-seconds'] !== undefined
  const length = probed ? await stepsWithin(seconds, out, pretraining) : steps
  return pretrainOnce(path.join(out, 'pretrain'), pretraining(length), seconds)
}
const pretrained = await pretrainedEncoder()

const cells = await Cells.open(out)
const batch = numberOr(values['finetune-batch'], 16)
const shotsList = values.shots.split(',').map((shots) => (shots === 'all' ? null : Number(shots)))
/** Training videos per class when all are used: half of the generated ones, about 63 % of the fights. */
const labeledPerClass = motion ? (quick ? 50 : 100) : 95
const allModes = ['ridge', 'linear', 'attentive', 'full'] as const
const modes = allModes.filter((mode) => values.modes.split(',').includes(mode))
const starts = (['pretrained', 'scratch'] as const).filter((start) => values.starts.split(',').includes(start))

function configurationOf(
  start: string,
  mode: (typeof allModes)[number],
  shots: number | null,
  seed: number,
): FinetuneInput {
  return {
    seed,
    mode,
    data: {
      path: data.labeled,
      shots,
      validation: 0.1,
      test: motion ? 0.2 : 0.3,
      samplesPerClip: numberOr(values['finetune-samples'], 1),
      workers,
    },
    clip: { stride, sampling: 'dense' },
    model: start === 'pretrained' ? { from: pretrained.run } : { from: 'scratch', like: pretrained.run },
    augment: { area: [0.5, 1], flip: values.flip, mixup: null, cutmix: null, randAugment: null, erasing: 0.1 },
    // Fresh weights are given the same rate in all layers: a low one in the first layers would only hold them back.
    regularization: { dropPath: 0.05, layerDecay: start === 'pretrained' ? 0.75 : 1 },
    batch: { size: batch, perRun: batch },
    optimizer: { baseLearningRate: (numberOr(values['finetune-rate'], 1e-3) * 256) / batch },
    schedule: { duration: `${finetuneSteps} steps`, warmup: `${Math.floor(finetuneSteps / 10)} steps` },
    evaluation: { every: `${Math.max(10, Math.floor(finetuneSteps / 10))} steps`, clips: 2, crops: 1, batch: 16 },
    probe: { cache: path.join(out, 'features') },
    checkpoint: { every: `${finetuneSteps} steps` },
    log: { tensorboard: false },
    engine,
  }
}

const columnNames = shotsList.map((shots) =>
  shots !== null ? `${shots} per class` : motion ? `all ${8 * labeledPerClass}` : 'all',
)
const rows: ResultRow[] = []
const curves: Curve[] = []
for (const mode of modes) {
  for (const start of starts) {
    const columns: string[] = []
    const points: { readonly x: number; readonly mean: number }[] = []
    for (const shots of shotsList) {
      const accuracies: number[] = []
      for (let seed = 0; seed < seeds; seed++) {
        const key = `${start} ${mode} shots=${shots ?? 'all'} seed=${seed}`
        const folder = path.join(out, 'runs', key.replaceAll(' ', '-'))
        const cell = await cells.once(key, () => testOnce(folder, configurationOf(start, mode, shots, seed)))
        accuracies.push(motion ? cell.accuracy : cell.balanced)
      }
      columns.push(meanWithInterval(accuracies))
      const mean = accuracies.reduce((a, b) => a + b, 0) / accuracies.length
      points.push({ x: shots ?? labeledPerClass, mean: 100 * mean })
    }
    rows.push({ mode, start, ...Object.fromEntries(columnNames.map((name, i) => [name, columns[i]])) })
    curves.push({
      name: `${start}, ${mode}`,
      points: points.map(({ x, mean }) => [x, mean] as const).reverse(),
      stroke: start === 'scratch' ? ('dashed' as const) : ('solid' as const),
      color: modes.indexOf(mode),
    })
  }
}
// A part of the cells makes no picture.
if (modes.length > 0 && shotsList.length > 1 && starts.length > 1) {
  writeFigure(
    path.join(out, 'accuracy.svg'),
    {
      title: `${values.data}: accuracy with and without pretraining`,
      xLabel: 'labeled videos per class',
      yLabel: motion ? 'top-1, %' : 'balanced accuracy, %',
      xScale: 'log',
      yRange: [0, 100],
      curves,
    },
    `docs/images/${values.data}-accuracy.svg`,
  )
}
console.log(
  `${values.data}: ${motion ? 'top-1 accuracy' : 'balanced accuracy'}, mean over ${seeds} seeds [95 % interval]`,
)
console.log(
  `model ${JSON.stringify(size)}, mask ${kind} ${ratio}, pretraining in batches of ${pretrainBatch}, ${finetuneSteps} x ${batch} clips fine-tuning`,
)
console.log(`pretraining  ${pretrained.curve}`)
const table = values.table ?? path.join(out, 'accuracy.csv')
// `--modes none` pretrains alone.
if (rows.length > 0) {
  writeResults(table, 'scripts/experiments/pretrain-vs-scratch.ts', rows)
  console.log(`written to ${table}`)
}
