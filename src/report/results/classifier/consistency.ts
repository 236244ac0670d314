/** Whether the files of an evaluation are of one evaluation. */

/** The counts of an evaluation in each of its files; null for a file that is not there. */
interface CountedEvaluation {
  readonly videos: number
  readonly top1: { readonly value: number }
  readonly perClass: readonly { readonly label: string; readonly videos: number; readonly predicted: number }[]
  /** Videos of each true class (rows) by predicted class. */
  readonly confusion: { readonly labels: readonly string[]; readonly confusion: readonly (readonly number[])[] } | null
  readonly predictions: readonly { readonly label: string; readonly predicted: string }[] | null
}

/** Sums of shares differ in their last bits. */
const rounding = 1e-9

/**
 * The first file that does not fit `evaluation.json`, and in what; null where all of them fit. Files that are not there fit.
 */
export function misfitOf(evaluation: CountedEvaluation): { readonly file: string; readonly why: string } | null {
  const { videos, top1, perClass, confusion, predictions } = evaluation
  const counted = perClass.reduce((sum, each) => sum + each.videos, 0)
  if (counted !== videos) return { file: 'evaluation.json', why: `perClass has ${counted} of ${videos} videos` }
  if (new Set(perClass.map(({ label }) => label)).size !== perClass.length)
    return { file: 'evaluation.json', why: 'perClass has a class twice' }
  const found = [
    ...(confusion === null ? [] : [{ file: 'confusion.json', ...countsOfMatrix(confusion) }]),
    ...(predictions === null ? [] : [{ file: 'predictions.jsonl', ...countsOfVideos(predictions) }]),
  ]
  for (const { file, classes, total, right } of found) {
    if (total !== videos) return { file, why: `it has ${total} videos, but evaluation.json has ${videos}` }
    if (Math.abs(right / total - top1.value) > rounding)
      return { file, why: `${right} of its ${total} videos are right, but top1 of evaluation.json is ${top1.value}` }
    for (const { label, ...stated } of perClass) {
      const mine = classes.get(label) ?? { videos: 0, predicted: 0 }
      for (const key of ['videos', 'predicted'] as const)
        if (mine[key] !== stated[key])
          return { file, why: `${key} of class ${label} are ${mine[key]}, but ${stated[key]} in evaluation.json` }
    }
  }
  return null
}

interface Counts {
  readonly classes: ReadonlyMap<string, { readonly videos: number; readonly predicted: number }>
  readonly total: number
  readonly right: number
}

function countsOfMatrix({ labels, confusion }: NonNullable<CountedEvaluation['confusion']>): Counts {
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
  const counts = labels.map((label, i) => {
    const predicted = sum(confusion.map((row) => row[i]))
    return [label, { videos: sum(confusion[i]), predicted }] as const
  })
  return {
    classes: new Map(counts),
    total: sum(confusion.map(sum)),
    right: sum(confusion.map((row, i) => row[i])),
  }
}

function countsOfVideos(predictions: NonNullable<CountedEvaluation['predictions']>): Counts {
  const classes = new Map<string, { videos: number; predicted: number }>()
  const add = (label: string, key: 'videos' | 'predicted'): void => {
    const found = classes.get(label) ?? { videos: 0, predicted: 0 }
    found[key]++
    classes.set(label, found)
  }
  for (const { label, predicted } of predictions) {
    add(label, 'videos')
    add(predicted, 'predicted')
  }
  const right = predictions.filter(({ label, predicted }) => label === predicted).length
  return { classes, total: predictions.length, right }
}
