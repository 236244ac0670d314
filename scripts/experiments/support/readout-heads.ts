// What experiments on readouts share: lists of videos, ridge heads that have not seen a part, balanced accuracy and its intervals.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { RandomStream } from '../../../src/model.ts'
import { StatisticsCache, trainRidge } from '../../../src/numeric/ridge.ts'
import { standardization } from '../../../src/numeric/standardization.ts'
import { Matmul } from '../../../src/numeric/wasm/matmul.ts'

/** A row of a list. */
export interface Video {
  readonly path: string
  readonly id: string
  readonly class: number
  readonly part: string
  readonly group: string
}

/**
 * Videos of a list with the columns path and label.
 *
 * @param part column that names the part to hold out
 * @param group column that names what belongs together; the part where there is none
 */
export function readList(
  file: string,
  { part: partColumn, group: groupColumn }: { readonly part: string; readonly group: string },
): { readonly videos: readonly Video[]; readonly classes: readonly string[] } {
  const [header, ...lines] = readFileSync(file, 'utf8').trim().split(/\r?\n/)
  const columns = header.split(',')
  const column = (name: string): number => {
    const at = columns.indexOf(name)
    if (at < 0) throw new Error(`Expected a column ${name} in ${file}, which has ${columns.join(', ')}.`)
    return at
  }
  const [index, label, part] = [column('path'), column('label'), column(partColumn)]
  const group = columns.includes(groupColumn) ? column(groupColumn) : part
  const rows = lines.map((line) => line.split(','))
  const classes = [...new Set(rows.map((row) => row[label]))].sort()
  const videos = rows.map((row) => ({
    path: path.resolve(path.dirname(file), row[index]),
    id: row[index],
    class: classes.indexOf(row[label]),
    part: row[part],
    group: row[group],
  }))
  return { videos, classes }
}

/** Rows of one readout, all clips of a video one after the other. */
export interface Rows {
  readonly width: number
  /** Video of each row. */
  readonly owners: readonly number[]
  readonly rows: readonly Float32Array[]
}

/**
 * [videos] the class that a ridge head answers that has not seen the part of the video.
 *
 * @param lambda of the head for each of its training rows
 */
export function answers(
  { width, owners, rows }: Rows,
  videos: readonly Video[],
  classes: number,
  lambda: number,
): Int32Array {
  const found = new Int32Array(videos.length)
  for (const part of new Set(videos.map((video) => video.part))) {
    const train = owners.flatMap((owner, i) => (videos[owner].part === part ? [] : [i]))
    const statistics = standardization({ count: train.length, width, row: (i) => rows[train[i]] })
    const scaled = (row: Float32Array): Float64Array =>
      Float64Array.from(row, (value, k) => (value - statistics.mean[k]) / statistics.deviation[k])
    const inputs = new Float64Array(train.length * (width + 1))
    for (const [i, at] of train.entries()) {
      inputs.set(scaled(rows[at]), i * (width + 1))
      inputs[i * (width + 1) + width] = 1
    }
    const labels = Int32Array.from(train, (at) => videos[owners[at]].class)
    const samples = { count: train.length, width, classes, inputs, labels, bucketSizes: [train.length], buckets: [0] }
    const weights = trainRidge(samples, lambda * train.length, new Matmul('f64'), new StatisticsCache(1))
    const scores = videos.map(() => new Float64Array(classes))
    for (const [i, owner] of owners.entries()) {
      if (videos[owner].part !== part) continue
      const row = scaled(rows[i])
      for (let c = 0; c < classes; c++) {
        let sum = weights[c * (width + 1) + width]
        for (let k = 0; k < width; k++) sum += weights[c * (width + 1) + k] * row[k]
        scores[owner][c] += sum
      }
    }
    for (const [v, video] of videos.entries()) {
      if (video.part === part) found[v] = scores[v].indexOf(Math.max(...scores[v]))
    }
  }
  return found
}

/** Mean recall over classes, each video counted `weights[v]` times. */
export function balanced(
  right: ArrayLike<boolean>,
  weights: ArrayLike<number>,
  videos: readonly Video[],
  classes: number,
): number {
  const [hits, all] = [new Float64Array(classes), new Float64Array(classes)]
  for (const [v, video] of videos.entries()) {
    all[video.class] += weights[v]
    if (right[v]) hits[video.class] += weights[v]
  }
  const recalls = [...all].flatMap((total, c) => (total === 0 ? [] : [hits[c] / total]))
  return recalls.reduce((a, b) => a + b, 0) / recalls.length
}

/** How often each video is drawn, groups as wholes, for 2,000 draws. */
export function drawsOf(videos: readonly Video[], seed: number): readonly Int32Array[] {
  const groups = [...new Set(videos.map(({ group }) => group))]
  const random = new RandomStream(seed, 'readout groups')
  return Array.from({ length: 2000 }, () => {
    const times = new Map<string, number>()
    for (let i = 0; i < groups.length; i++) {
      const group = groups[random.integer(groups.length)]
      times.set(group, (times.get(group) ?? 0) + 1)
    }
    return Int32Array.from(videos, ({ group }) => times.get(group) ?? 0)
  })
}

/** 95 % of a sample are between. */
export function interval(sample: readonly number[]): [number, number] {
  const sorted = [...sample].sort((a, b) => a - b)
  return [sorted[Math.floor(0.025 * sorted.length)], sorted[Math.ceil(0.975 * sorted.length) - 1]]
}

/** One row for each video: the mean over its clips. */
export function meanRows({ width, owners, rows }: Rows, videos: number): Rows {
  const means = Array.from({ length: videos }, () => new Float32Array(width))
  const counts = new Int32Array(videos)
  for (const owner of owners) counts[owner]++
  for (const [i, owner] of owners.entries()) {
    for (let k = 0; k < width; k++) means[owner][k] += rows[i][k] / counts[owner]
  }
  return { width, owners: means.map((_, v) => v), rows: means }
}

/**
 * Rows with a bias behind them, [rows, width + 1], standardized by some of them.
 *
 * @param from whether a row takes part in mean and deviation
 */
export function standardizedRows({ width, rows }: Rows, from: (row: number) => boolean): Float64Array {
  const used = rows.filter((_, i) => from(i))
  const { mean, deviation } = standardization({ count: used.length, width, row: (i) => used[i] })
  const inputs = new Float64Array(rows.length * (width + 1))
  for (const [i, row] of rows.entries()) {
    const start = i * (width + 1)
    for (let k = 0; k < width; k++) inputs[start + k] = (row[k] - mean[k]) / deviation[k]
    inputs[start + width] = 1
  }
  return inputs
}
