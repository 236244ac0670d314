import type { Value, ValueId } from '../../plan/values.ts'
import { type Step, type SumStep, stepValues } from './schedule.ts'

/** Bytes of gradients that are summed at once: few enough to begin early, enough to use the whole network. */
const bucketBytes = 25 << 20

/**
 * Moves the sum over the ranks ahead: gradients are cut into buckets in the order in which the backward pass finishes them, and the
 * sum of a bucket begins behind the last step that touches one of its gradients. The `join` stays where it is.
 */
export function sumsAhead(
  steps: readonly Step[],
  values: readonly Pick<Value, 'home'>[],
  bytes: number = bucketBytes,
): Step[] {
  const root = (value: ValueId): ValueId => {
    const { home } = values[value]
    return home.kind === 'view' ? root(home.of) : value
  }
  const index = steps.findIndex(({ kind }) => kind === 'sum')
  if (index < 0) return [...steps]
  const whole = steps[index] as SumStep
  const last = new Map<ValueId, number>()
  for (const [i, step] of steps.slice(0, index).entries())
    for (const value of stepValues(step)) last.set(root(value), i)
  const finished = ({ value }: SumStep['pieces'][number]): number => last.get(root(value)) ?? -1
  const pieces = [...whole.pieces].sort((a, b) => finished(a) - finished(b))
  const buckets = new Map<number, SumStep>()
  let [bucket, size]: [SumStep['pieces'][number][], number] = [[], 0]
  for (const [i, piece] of pieces.entries()) {
    bucket.push(piece)
    size += piece.count * 4
    const at = finished(piece)
    // Two buckets behind one step are one.
    const next = pieces[i + 1]
    if (next !== undefined && (size < bytes || finished(next) === at)) continue
    buckets.set(at, { ...whole, pieces: bucket })
    ;[bucket, size] = [[], 0]
  }
  const early = buckets.get(-1)
  return [
    ...(early === undefined ? [] : [early]),
    ...steps.flatMap((step, i) => {
      if (i === index) return []
      const sum = buckets.get(i)
      return sum === undefined ? [step] : [step, sum]
    }),
  ]
}
