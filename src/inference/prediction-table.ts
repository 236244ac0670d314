/** Predictions as a table for spreadsheets and programs. */
import path from 'node:path'
import { spreadsheetField } from '../format/csv.ts'
import type { Prediction } from './predict.ts'

const first = ['path', 'start', 'end', 'label', 'probability'] as const

/** How the table begins, by which an earlier one is known. */
export const predictionCsvStart = first.join(',')

/**
 * One line for each video, or for each window: RFC 4180 with line feeds. `label` is empty where no class reaches the threshold, and for
 * what could not be read, which has a code and a reason. Paths are absolute, so that it is a list of videos for other commands, too.
 * As many classes stand in each line as predictions have, the most probable first.
 */
export function predictionCsv(predictions: readonly Prediction[]): string {
  const classes = predictions.reduce((most, one) => Math.max(most, one.ok ? one.classes.length : 0), 0)
  const ranks = Array.from({ length: classes }, (_, i) => i)
  const header = [...first, ...ranks.flatMap((i) => [`class${i + 1}`, `probability${i + 1}`]), 'error', 'reason']
  const lines = predictions.map((prediction) => {
    const { start, end } = prediction.part ?? {}
    const place = [path.resolve(prediction.video), start ?? '', end ?? '']
    if (!prediction.ok) return [...place, '', '', ...ranks.flatMap(() => ['', '']), prediction.code, prediction.reason]
    const { label, classes: found } = prediction
    const named = ranks.flatMap((i) => (i < found.length ? [found[i].label, rounded(found[i].probability)] : ['', '']))
    return [...place, label ?? '', label === null ? '' : rounded(found[0].probability), ...named, '', '']
  })
  return [header, ...lines].map((fields) => `${fields.map(spreadsheetField).join(',')}\n`).join('')
}

/** Seven digits, as many as float32 has; a number, so that it is never taken for text. */
const rounded = (probability: number): number => Number(probability.toPrecision(7))
