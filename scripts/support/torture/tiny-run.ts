/** A distributed run whose steps take milliseconds, and what it must give again. */
import { readFileSync } from 'node:fs'
import path from 'node:path'

/** A recipe of two clips a rank, with a checkpoint every second step. */
export function tinyRecipe(ranks: number, steps: number): string {
  return `
data: {samplesPerClip: 2, workers: 1}
clip: {stride: 1}
model: {width: 16, depth: 2, heads: 2, frames: 4, resolution: 16, patch: 8, decoder: {width: 8, depth: 1, heads: 1}}
mask: {ratio: 0.5}
batch: {size: ${2 * ranks}, perRun: ${2 * ranks}}
optimizer: {baseLearningRate: 0.1, ema: 0.9}
schedule: {duration: ${steps} steps, warmup: 4 steps}
engine: {threads: 1}
log: {every: 1 step}
checkpoint: {every: 2 steps, keep: 2}
`
}

/** Losses, and the weights of the last checkpoint. */
export function trainedResult(out: string, steps: number): string {
  const lines = readFileSync(path.join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
  const losses = lines.map((line) => {
    const { step, loss, gradientNorm, clips } = JSON.parse(line) as Record<string, number>
    return [step, loss, gradientNorm, clips]
  })
  const last = path.join(out, `step-${String(steps).padStart(8, '0')}`)
  const weights = ['model.safetensors', 'optimizer.safetensors', path.join('ema', 'model.safetensors')]
  return JSON.stringify([losses, weights.map((name) => readFileSync(path.join(last, name)).toString('base64'))])
}
