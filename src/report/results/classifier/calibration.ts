/** How far probabilities can be believed. */
import { wilsonInterval } from '../../../core/wilson-interval.ts'
import type { Block } from '../../page/model.ts'
import { interval, percentText } from '../../page/numbers.ts'
import type { PredictionRow } from './facts.ts'

/** As many as the calibration error of an evaluation has. */
const bins = 15

export interface CalibrationBin {
  /** Bounds of the confidence, 0 to 1. */
  readonly low: number
  readonly high: number
  readonly videos: number
  /** Mean confidence, and share that is right. */
  readonly confidence: number
  readonly right: number
}

/** Videos by their confidence; bins without a video are left out. */
export function calibrationBins(predictions: readonly PredictionRow[]): CalibrationBin[] {
  const sums = Array.from({ length: bins }, () => ({ videos: 0, confidence: 0, right: 0 }))
  for (const { confidence, label, predicted } of predictions) {
    const bin = sums[Math.min(bins - 1, Math.floor(confidence * bins))]
    bin.videos++
    bin.confidence += confidence
    if (label === predicted) bin.right++
  }
  return sums.flatMap(({ videos, confidence, right }, i) =>
    videos === 0
      ? []
      : [{ low: i / bins, high: (i + 1) / bins, videos, confidence: confidence / videos, right: right / videos }],
  )
}

export function calibrationBlocks(predictions: readonly PredictionRow[], calibrationError: number): Block[] {
  const found = calibrationBins(predictions)
  const ece = `Expected calibration error (ECE): ${percentText(calibrationError)}. It is the mean distance between confidence and accuracy over ${bins} bins, weighted by their videos; 0 is best.`
  if (found.length === 0)
    return [{ kind: 'text', text: `${ece} The predictions for each video are missing (predictions.jsonl).` }]
  const within = found.map(({ right, videos }) => wilsonInterval(right, videos))
  return [
    { kind: 'text', text: ece },
    {
      kind: 'chart',
      chart: {
        x: { label: 'confidence: probability of the prediction', values: 'shares', range: [0, 1] },
        y: { label: 'right', values: 'shares', range: [0, 1] },
        curves: [
          {
            name: 'videos of a bin',
            shape: 'points',
            points: found.map(({ confidence, right }) => [confidence, right]),
            intervals: within.map(({ low, high }) => [low, high]),
          },
        ],
        diagonal: 'perfect calibration',
      },
      text: `Accuracy by confidence: ${found.map(({ confidence, right, videos }) => `${percentText(right)} of ${videos} at ${percentText(confidence)}`).join(', ')}.`,
      caption:
        'Reliability. Points below the dotted line are more confident than right. Lines are 95 % intervals that assume independent videos.',
    },
    {
      kind: 'fold',
      summary: 'The same data as a table',
      blocks: [
        {
          kind: 'table',
          caption: 'Videos by the probability of their prediction',
          columns: [
            { title: 'confidence' },
            { title: 'videos', align: 'number' },
            { title: 'mean confidence', align: 'number' },
            { title: 'right', align: 'number' },
            { title: '95 % interval', align: 'number' },
          ],
          rows: found.map(({ low, high, videos, confidence, right }, i) => [
            `${(100 * low).toFixed(0)} to ${(100 * high).toFixed(0)} %`,
            videos,
            percentText(confidence),
            percentText(right),
            interval(within[i]),
          ]),
        },
      ],
    },
  ]
}
