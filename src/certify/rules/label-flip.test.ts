/** Oracle: every label assignment of toy ensembles of ridge heads, enumerated. */
import { expect, test } from 'vitest'
import { RandomStream } from '../../core/random.ts'
import { certifyDpa } from './dpa.ts'
import { certifyLabelFlips, fewestFlips, type LinearInLabels } from './label-flip.ts'
import { plurality, tally } from './plurality.ts'

function voteOf(alphas: Float64Array, labels: readonly number[], classes: number): number {
  const scores = new Float64Array(classes)
  for (let j = 0; j < labels.length; j++) scores[labels[j]] += alphas[j]
  // A head votes for classes only that it has samples of.
  const own = Array.from({ length: classes }, (_, c) => c).filter((c) => labels.includes(c))
  return own.reduce((best, c) => (scores[c] > scores[best] ? c : best))
}

/** Fewest flips that change the ensemble, by trying all labels of all samples. */
function enumerate(heads: readonly (LinearInLabels & { labels: number[] })[], classes: number): number {
  const flat = heads.flatMap((head) => head.labels)
  const predict = (labels: readonly number[]) => {
    let at = 0
    const votes = heads.map((head) => {
      const mine = labels.slice(at, at + head.labels.length)
      at += head.labels.length
      return voteOf(head.alphas, mine, classes)
    })
    return plurality(tally(votes, classes))
  }
  const before = predict(flat)
  let fewest = flat.length + 1
  for (let code = 0; code < classes ** flat.length; code++) {
    let rest = code
    let flips = 0
    const labels = flat.map((label) => {
      const value = rest % classes
      rest = Math.floor(rest / classes)
      if (value !== label) flips++
      return value
    })
    if (flips < fewest && predict(labels) !== before) fewest = flips
  }
  return Math.min(flat.length, fewest - 1)
}

test('is never above full enumeration, nearly always equal, and never below DPA with one flip a head', () => {
  let exact = 0
  const cases = 60
  for (let seed = 0; seed < cases; seed++) {
    const stream = new RandomStream(seed, 'label flips')
    const classes = 2 + (seed % 2)
    const sizes = [3, 2 + (seed % 2), 2]
    const heads = sizes.map((n) => ({
      alphas: Float64Array.from({ length: n }, () => stream.normal(0.3, 1)),
      labels: Array.from({ length: n }, () => stream.integer(classes)),
    }))
    const votes = heads.map((head) => voteOf(head.alphas, head.labels, classes))
    const certified = certifyLabelFlips(heads, classes, { votes, slack: [1e-9, 1e-9, 1e-9] })
    const truth = enumerate(heads, classes)
    expect(certified.prediction).toBe(plurality(tally(votes, classes)))
    expect(certified.radius).toBeLessThanOrEqual(truth)
    expect(certified.radius).toBeGreaterThanOrEqual(certifyDpa(votes, classes).radius)
    if (certified.radius === truth) exact++
  }
  expect(exact / cases).toBeGreaterThan(0.9)
})

test('an empty head cannot be flipped; equal scores cost no flip', () => {
  const empty = { alphas: new Float64Array(), labels: [] }
  const head = { alphas: Float64Array.of(1), labels: [0] }
  expect(certifyLabelFlips([empty, head], 2, { votes: [2, 0], slack: [0, 0] }).radius).toBe(0)
  expect(fewestFlips({ alphas: Float64Array.of(1, 1), labels: [0, 1] }, 0, 1, 0)).toBe(0)
})

test('a class falls when all of its labels in a head are flipped, however little the others score', () => {
  const head = { alphas: Float64Array.of(0.1, -1, -1, -1), labels: [0, 1, 1, 1] }
  const heads = [head, head, head]
  const votes = heads.map(({ alphas, labels }) => voteOf(alphas, labels, 2))
  expect(votes).toEqual([0, 0, 0])
  // Two flips of label 0 turn two heads, which then have samples of class 1 only; by scores alone it would take four.
  expect(enumerate(heads, 2)).toBe(1)
  expect(certifyLabelFlips(heads, 2, { votes, slack: [0, 0, 0] }).radius).toBe(1)
})
