/** Predictions as a table for spreadsheets and programs. */
import { appendFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { namingFile } from '../core/system-error.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { spreadsheetField } from '../format/csv.ts'
import { nullIfMissing } from '../format/missing.ts'
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
  return `${predictionHeader(classes)}${predictionLines(predictions, classes)}`
}

/** The line of names over lines of so many classes. */
export function predictionHeader(classes: number): string {
  const names = Array.from({ length: classes }, (_, i) => [`class${i + 1}`, `probability${i + 1}`])
  return `${[...first, ...names.flat(), 'error', 'reason'].map(spreadsheetField).join(',')}\n`
}

/** A line for each prediction, as `predictionCsv` has it, with room for so many classes. */
export function predictionLines(predictions: readonly Prediction[], classes: number): string {
  const ranks = Array.from({ length: classes }, (_, i) => i)
  const lines = predictions.map((prediction) => {
    const { start, end } = prediction.part ?? {}
    const part = [path.resolve(prediction.video), start ?? '', end ?? '']
    if (!prediction.ok) return [...part, '', '', ...ranks.flatMap(() => ['', '']), prediction.code, prediction.reason]
    const { label, classes: found } = prediction
    const named = ranks.flatMap((i) => (i < found.length ? [found[i].label, rounded(found[i].probability)] : ['', '']))
    return [...part, label ?? '', label === null ? '' : rounded(found[0].probability), ...named, '', '']
  })
  return lines.map((fields) => `${fields.map(spreadsheetField).join(',')}\n`).join('')
}

/**
 * A table that grows with each portion of predictions. What is written stays on the disk and not in memory.
 *
 * @param file replaces an earlier table with the first portion; one that is moved away meanwhile is begun again
 * @param classes as many as each line has
 */
export function growingTable(file: string, classes: number): (predictions: readonly Prediction[]) => Promise<void> {
  let begun = false
  return async (predictions) => {
    const lines = predictionLines(predictions, classes)
    const there = begun && (await stat(file).catch(nullIfMissing)) !== null
    if (there) await namingFile(file, () => appendFile(file, lines))
    else await writeFileAtomic(file, `${predictionHeader(classes)}${lines}`)
    begun = true
  }
}

/** Seven digits, as many as float32 has; a number, so that it is never taken for text. */
const rounded = (probability: number): number => Number(probability.toPrecision(7))
