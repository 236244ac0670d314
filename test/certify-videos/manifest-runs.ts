/** Runs whose training manifests the tests ask about, and what they are asked with. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { CertifyVideosOptions } from '../../src/certify/videos/plan.ts'
import { trainingManifestOf } from '../../src/certify/videos/training-manifest.ts'
import { openDataset } from '../../src/dataset/dataset.ts'
import { splitDataset } from '../../src/dataset/split.ts'
import type { SplitName } from '../../src/dataset/split-part.ts'
import { finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { finetune } from '../../src/finetune/finetune.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runSchema } from '../../src/train/configuration.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { decoding } from '../support/decoding.ts'

export const classes = ['left', 'right'] as const
export const digestOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
export const videosIn = (data: string) =>
  readdirSync(data, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.mp4'))
    .sort()
    .map((name) => path.join(data, name))

interface Pretraining {
  readonly from?: string
  readonly resume?: boolean
  readonly signal?: AbortSignal
  readonly onStep?: (step: number) => void
  readonly steps?: number
  /** Steps from one checkpoint to the next. */
  readonly every?: number
  readonly decoder?: 'node-av' | 'ffmpeg'
}

export const pretrainOn = (
  data: string,
  out: string,
  { from, onStep, steps = 4, every = 2, decoder = 'node-av', ...options }: Pretraining = {},
) => {
  const sizes = { frames: 4, resolution: 32, patch: 16, width: 16, depth: 1, heads: 2 }
  return pretrain(
    runSchema.parse({
      data: { path: data, samplesPerClip: 2, workers: 1, decoder },
      clip: { stride: 1 },
      mask: { ratio: 0.5 },
      model: from === undefined ? { ...sizes, decoder: { width: 16, depth: 1, heads: 2 } } : { from },
      batch: { size: 4 },
      schedule: { duration: `${steps} steps`, warmup: '0 steps' },
      checkpoint: { every: `${every} steps`, keep: 2 },
      log: { tensorboard: false },
      engine: { threads: 1 },
    }),
    { out, processes: decoding, ...options, onProgress: ({ step }) => onStep?.(step) },
  )
}

export const finetuneOn = (data: string, out: string, from = 'scratch', mode: 'ridge' | 'full' = 'ridge', seed = 0) => {
  const sizes = { width: 16, depth: 1, heads: 2, patch: 16, frames: 4, resolution: 32 }
  return finetune(
    finetuneConfiguration({
      mode,
      seed,
      data: { path: data, workers: 1, validation: 0.2, test: 0.2 },
      model: from === 'scratch' ? { from, ...sizes } : { from },
      clip: { stride: 1 },
      batch: { size: 4, perRun: 4 },
      schedule: { duration: '2 steps', warmup: '0 steps' },
      evaluation: { clips: 1, crops: 1, batch: 1 },
      probe: { readout: 'mean' },
      log: { tensorboard: false },
      engine: { threads: 1 },
    }),
    { out, processes: decoding },
  )
}

/** A seed with which `finetuneOn` puts a video of a list into a part. */
export async function seedFor(part: SplitName, file: string, list: string): Promise<number> {
  const { videos, classes } = await openDataset(list)
  for (let seed = 0; seed < 100; seed++) {
    const split = splitDataset(videos, classes, { validation: 0.2, test: 0.2, seed })
    if (split[part].some((video) => video.path === file)) return seed
  }
  throw new Error(`Expected a split of ${list} with ${file} in its part ${part}.`)
}

/** Makes of a run what an earlier program left: nothing about contents. */
export function withoutManifests(run: string): void {
  for (const name of readdirSync(run, { recursive: true, encoding: 'utf8' })) {
    const file = path.join(run, name)
    if (path.basename(name) === 'training-manifest.json') rmSync(file)
    if (path.basename(name) !== 'trainer-state.json') continue
    const { digest: _, ...state } = JSON.parse(readFileSync(file, 'utf8'))
    delete state.digests['training-manifest.json']
    writeFileSync(file, JSON.stringify(state))
  }
}

export const known = async (checkpoint: string) => {
  const outcome = await trainingManifestOf(checkpoint)
  if (!outcome.known) throw new Error(outcome.why)
  return outcome.manifest
}

/** A folder with a run on the videos of `elsewhere`, videos to test on in `inputs`, and whatever a test puts there. */
export function manifestFolder() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-manifest-'))
  const inFolder = (...parts: string[]) => path.join(folder, ...parts)
  async function dataset(name: string, seed: number): Promise<string[]> {
    await generateMotionDataset(inFolder(name), { clips: 6, size: 32, frames: 8, seed, classes })
    return videosIn(inFolder(name))
  }

  const options = (from: string, data: string, more: Partial<CertifyVideosOptions> = {}): CertifyVideosOptions => ({
    ...{ data, from, cache: inFolder('store'), threads: 1, workers: 1, test: inFolder('inputs'), classes },
    processes: decoding,
    ...more,
  })

  /** A list of these files, all of one class each by turns. */
  function listOf(name: string, files: readonly string[]): string {
    writeFileSync(inFolder(name), `path,label\n${files.map((file, i) => `${file},${classes[i % 2]}`).join('\n')}\n`)
    return inFolder(name)
  }
  return {
    inFolder,
    dataset,
    options,
    listOf,
    /** Makes the videos and the run. */
    async fill(): Promise<void> {
      await dataset('elsewhere', 1)
      await dataset('inputs', 99)
      await pretrainOn(inFolder('elsewhere'), inFolder('run'))
    },
    remove: (): void => rmSync(folder, { recursive: true, force: true }),
  }
}
