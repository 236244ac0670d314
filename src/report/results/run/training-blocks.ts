/** Figures and tables of a training run. */
import { formatSeconds } from '../../../train/progress.ts'
import { code, isolated, shortened } from '../../page/html.ts'
import type { Block, ChartFigure } from '../../page/model.ts'
import { bytes, counted, countText, percentText, significant } from '../../page/numbers.ts'
import type { Configuration, MeasuredLine, TrainingFacts } from './training-facts.ts'

const steps = { label: 'step', values: 'whole' } as const

/** Loss next to that of predicting the mean, where there is one. */
export function lossFigure(lines: readonly MeasuredLine[]): ChartFigure {
  const mean = lines.flatMap(({ step, meanLoss }) => (meanLoss === undefined ? [] : [[step, meanLoss] as const]))
  const [first, last] = [lines[0], lines[lines.length - 1]]
  return {
    kind: 'chart',
    chart: {
      x: steps,
      y: { label: 'loss', tight: true },
      curves: [
        { name: 'loss', points: lines.map(({ step, loss }) => [step, loss]) },
        ...(mean.length === 0 ? [] : [{ name: 'predicting the mean', points: mean }]),
      ],
    },
    text: `Loss over ${countText(last.step)} steps: ${significant(first.loss, 4)} at step ${first.step}, ${significant(last.loss, 4)} at step ${last.step}${last.meanLoss === undefined ? '' : `; predicting the mean has ${significant(last.meanLoss, 4)}`}.`,
    caption:
      mean.length === 0
        ? 'Training loss, means over the steps of each log interval. The axis does not begin at 0.'
        : 'Training loss, and the loss of predicting the mean of every hidden patch, on one clip of each step. Means over the steps of each log interval. The axis does not begin at 0.',
  }
}

export function learningRateFigure(lines: readonly MeasuredLine[]): ChartFigure {
  const highest = lines.reduce((most, { learningRate }) => Math.max(most, learningRate), 0)
  const last = lines[lines.length - 1]
  return {
    kind: 'chart',
    chart: {
      x: steps,
      y: { label: 'learning rate' },
      curves: [{ name: 'learning rate', points: lines.map(({ step, learningRate }) => [step, learningRate]) }],
    },
    text: `Learning rate over the steps: at most ${significant(highest)}, ${significant(last.learningRate)} at the end.`,
    caption: `Learning rate. Highest ${significant(highest)}, last ${significant(last.learningRate)}.`,
  }
}

/** Clips per second, and the share of the time that went by waiting for data. */
export function speedBlocks(lines: readonly MeasuredLine[]): Block[] {
  const speeds = lines.flatMap(({ step, clipsPerSecond }) =>
    clipsPerSecond === null ? [] : [[step, clipsPerSecond] as const],
  )
  const waits = lines.flatMap(({ step, dataWait }) => (dataWait === null ? [] : [[step, dataWait] as const]))
  const last = lines[lines.length - 1]
  const median = medianOf(speeds.map(([, speed]) => speed))
  const waiting = medianOf(waits.map(([, wait]) => wait))
  return [
    {
      kind: 'facts',
      facts: [
        {
          label: 'clips per second',
          value: median === null ? 'unknown' : significant(median),
          note: 'median of the log intervals',
        },
        {
          label: 'waiting for data',
          value: waiting === null ? 'unknown' : percentText(waiting),
          note: 'of the time, median',
        },
        { label: 'time', value: formatSeconds(last.seconds), note: 'all parts of the run together' },
        { label: 'memory', value: bytes(last.memory), note: 'largest of the process' },
      ],
    },
    ...(speeds.length === 0
      ? []
      : [
          {
            kind: 'chart',
            chart: {
              x: steps,
              y: { label: 'clips per second' },
              curves: [{ name: 'clips per second', points: speeds }],
            },
            text: `Clips per second over the steps, ${significant(median ?? 0)} in the median.`,
            caption: 'Throughput, without the warm-up steps of the engine in each part of the run.',
          } as const,
        ]),
    ...(waits.length === 0
      ? []
      : [
          {
            kind: 'chart',
            chart: {
              x: steps,
              y: { label: 'waiting for data', values: 'shares', range: [0, 1] },
              curves: [{ name: 'waiting for data', points: waits }],
            },
            text: `Share of the time spent waiting for data, ${percentText(waiting ?? 0)} in the median.`,
            caption:
              'Share of the time in which the engine waited for decoded clips. If it is large, more decoding processes (--workers) or smaller videos help.',
          } as const,
        ]),
  ]
}

function medianOf(values: readonly number[]): number | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const mostFiles = 40

export function badFileBlocks({ badFiles }: Pick<TrainingFacts, 'badFiles'>): Block[] {
  if (badFiles.length === 0) return [{ kind: 'text', text: 'Every video that the run needed could be read.' }]
  const shown = badFiles.slice(0, mostFiles)
  return [
    {
      kind: 'text',
      text: `${counted(badFiles.length, 'video')} could not be read. The run continued without ${badFiles.length === 1 ? 'it' : 'them'}.`,
    },
    {
      kind: 'table',
      caption: 'Videos that could not be read, each with the reason',
      columns: [{ title: 'video' }, { title: 'code' }, { title: 'reason' }],
      rows: shown.map(({ id, code: kind, reason }) => [isolated(id), code(kind), isolated(reason)]),
      note:
        badFiles.length > shown.length
          ? `${countText(badFiles.length - shown.length)} more in bad-files.jsonl.`
          : undefined,
    },
  ]
}

/** Every value of the configuration, by its key; what was derived from the data is listed apart. */
export function configurationBlocks(configuration: Configuration): Block[] {
  const { derived, ...given } = configuration
  return [
    {
      kind: 'fold',
      summary: 'Configuration: every value, given and default',
      blocks: [valueTable('Configuration', given)],
    },
    ...(derived === undefined
      ? []
      : [
          {
            kind: 'fold',
            summary: 'Derived from the configuration and the data',
            blocks: [valueTable('Derived values', { derived })],
          } as const,
        ]),
  ]
}

const mostValues = 400

function valueTable(caption: string, values: Readonly<Record<string, unknown>>): Block {
  const all = leaves(values)
  return {
    kind: 'table',
    caption: `${caption} (config.json)`,
    columns: [{ title: 'key' }, { title: 'value' }],
    rows: all.slice(0, mostValues).map(([key, value]) => [code(key), isolated(value)]),
    note: all.length > mostValues ? `${all.length - mostValues} more in config.json.` : undefined,
  }
}

/** Keys with dots, and values as JSON; lists stay whole, and so does what is nested deeper than any configuration. */
export function leaves(value: unknown, key = '', depth = 0): [key: string, value: string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth > 8) {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return [[key, shortened(text, 500)]]
  }
  return Object.entries(value).flatMap(([name, inner]) =>
    leaves(inner, key === '' ? name : `${key}.${name}`, depth + 1),
  )
}
