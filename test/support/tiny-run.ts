import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import type { StartedProgram } from './run-program.ts'

/** A model and a run so small that a step takes milliseconds; every step is logged, every third one saved. */
const recipe = `
data: {samplesPerClip: 2, workers: 1}
clip: {stride: 1}
model: {width: 16, depth: 2, heads: 2, frames: 4, resolution: 16, patch: 8, decoder: {width: 8, depth: 1, heads: 1}}
mask: {ratio: 0.5}
batch: {size: 8, perRun: 4}
optimizer: {baseLearningRate: 0.1, ema: 0.9}
schedule: {duration: 40 steps, warmup: 4 steps}
log: {every: 1 step}
checkpoint: {every: 3 steps, keep: 2}
`

/** Name of the file among the videos that no decoder can read. */
export const brokenVideo = 'broken.mp4'

export interface TinyRun {
  readonly videos: string
  readonly recipe: string
}

/** Generated videos, one of them broken, and the recipe of a tiny run on them. */
export async function createTinyRun(folder: string): Promise<TinyRun> {
  const videos = path.join(folder, 'videos')
  await generateMotionDataset(videos, { clips: 10, size: 32, frames: 12 })
  await writeFile(path.join(videos, brokenVideo), 'this is no video')
  const file = path.join(folder, 'tiny.yaml')
  await writeFile(file, recipe)
  return { videos, recipe: file }
}

/** Resolves when the command has reported a step, or has ended. */
export async function untilStep({ stderr, process: child }: StartedProgram, step: number): Promise<void> {
  const reached = (): boolean => [...stderr().matchAll(/^step (\d+)\//gm)].some((match) => Number(match[1]) >= step)
  while (!reached() && child.exitCode === null && child.signalCode === null) {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        child.stderr?.off('data', done)
        child.off('exit', done)
        resolve()
      }
      child.stderr?.once('data', done)
      child.once('exit', done)
    })
  }
}

/** Steps, losses and gradient norms of a run; JSON keeps every bit of a number. */
export function curve(run: string): { step: number; loss: number; gradientNorm: number; clips: number }[] {
  const lines = readFileSync(path.join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
  return lines.map((line) => {
    const { step, loss, gradientNorm, clips } = JSON.parse(line) as ReturnType<typeof curve>[number]
    return { step, loss, gradientNorm, clips }
  })
}
