// The tables of lethal-dose studies in dev/results/.
import type { LethalDoseReport } from '../../../src/certify.ts'
import type { ResultRow } from '../../support/results-file.ts'

const one = (value: number): string => String(Math.round(value * 10) / 10)

/**
 * A row for each learner: n at an accuracy of single learners, and at each K the median radius, measured and predicted.
 *
 * @param accuracy one of those that the study was asked for
 * @param partitions K of the columns; the ensemble's accuracy is that of the last one
 */
export function doseTable(report: LethalDoseReport, accuracy: number, partitions: readonly number[]): ResultRow[] {
  const percent = `${Math.round(100 * accuracy)} %`
  return report.learners.map(({ name, complexity, rows }) => {
    const need = complexity.find((each) => each.accuracy === accuracy)
    if (need === undefined) throw new Error(`Expected a study of the accuracy ${accuracy}.`)
    const [low, high] = need.interval ?? [null, null]
    const cells = partitions.map((k) => {
      const row = rows.find((each) => each.partitions === k)
      if (row === undefined) return [`K=${k}`, '']
      const { measured, predictedMedian } = row
      return [`K=${k}`, `${measured.medianRadius ?? '-'} (${predictedMedian === null ? '-' : one(predictedMedian)})`]
    })
    const last = rows.find((each) => each.partitions === partitions.at(-1))
    return {
      learner: name,
      [`n(${percent})`]:
        need.samples === null ? 'not reached' : `${need.atMost ? 'at most ' : ''}${Math.round(need.samples)}`,
      interval: low === null ? '' : `${Math.round(low)} to ${high === null ? 'more' : Math.round(high)}`,
      'N/n': need.dose === null ? '' : Math.round(need.dose),
      ...Object.fromEntries(cells),
      [`ensemble at ${partitions.at(-1)}`]: last === undefined ? '' : `${one(100 * last.measured.cleanAccuracy)} %`,
    }
  })
}
