/** Certified accuracy over the radius: figures and the table of runs. */
import { type RobustnessSummary, tabledRadii } from '../../../certify/rules/metrics.ts'
import { wilsonInterval } from '../../../core/wilson-interval.ts'
import { type ChartCurve, type LineChart, mostCurves } from '../../page/chart/line-chart.ts'
import type { Part } from '../../page/html.ts'
import { isolated, withBelow } from '../../page/html.ts'
import type { Block, ChartFigure } from '../../page/model.ts'
import { bounds, interval, percentText } from '../../page/numbers.ts'
import type { CertificateFacts, CertifiedInput, CertifiedRun } from './facts.ts'
import { radiusLabel, unitWord } from './words.ts'

/** Share of inputs that are right and certified for r units. */
export function certifiedAt({ certifiedAccuracy }: RobustnessSummary, r: number): number {
  return certifiedAccuracy[r] ?? 0
}

/** With its 95 % interval, as if inputs were independent of each other. */
export function certifiedWithin(summary: RobustnessSummary, r: number): string {
  const value = certifiedAt(summary, r)
  return `${percentText(value)} (${interval(wilsonInterval(value, summary.inputs))})`
}

/** What a run certifies, each with a name: radii, or durations and earlinesses. */
function summariesOf({ name, summary, earliness }: CertifiedRun): [name: string, summary: RobustnessSummary][] {
  if (summary === null) return []
  if (earliness === null) return [[name, summary]]
  return [
    [`${name}, duration`, summary],
    [`${name}, earliness`, earliness],
  ]
}

function curveOf(name: string, shares: readonly number[]): ChartCurve {
  return { name, shape: 'steps', points: [...shares.map((share, r) => [r, share] as const), [shares.length, 0]] }
}

/** One figure, or one for each ensemble where there are more curves than can be told apart. */
export function accuracyFigures(facts: CertificateFacts): ChartFigure[] {
  const { runs } = facts
  const all = runs.flatMap(summariesOf).length
  const ensembles = all <= mostCurves ? [null] : [...new Set(runs.map(({ ensemble }) => ensemble))]
  return ensembles.slice(0, mostFigures).flatMap((ensemble) => {
    const shown = runs.filter((run) => ensemble === null || run.ensemble === ensemble)
    const figure = figureOf(facts, shown, ensemble)
    return figure === null ? [] : [figure]
  })
}

/** Beyond, the table says the same in less room. */
const mostFigures = 6

function figureOf(facts: CertificateFacts, runs: readonly CertifiedRun[], ensemble: string | null): ChartFigure | null {
  const named = runs.flatMap(summariesOf)
  const curves = named.map(([name, { certifiedAccuracy }]) => curveOf(name, certifiedAccuracy)).slice(0, mostCurves)
  if (curves.length === 0) return null
  const single = new Set(runs.map(({ baseAccuracy }) => baseAccuracy))
  const [baseAccuracy] = single
  const { baseline } = facts
  const levels = [
    ...(baseline === null ? [] : [{ name: `always ${baseline.name}`, value: baseline.accuracy }]),
    ...(single.size === 1 && baseAccuracy !== null ? [{ name: 'one base classifier', value: baseAccuracy }] : []),
  ]
  const left = named.length - curves.length
  return {
    kind: 'chart',
    chart: accuracyChart(facts, curves, levels, 'right, and certified'),
    text: `Certified accuracy over the radius. ${named.map(([name, summary]) => `${name}: ${spoken(summary)}`).join('. ')}.`,
    caption: [
      ensemble === null ? '' : `${ensemble}. `,
      'Share of inputs that are predicted right and stay right whatever an attacker does with that many ',
      `${unitWord(facts)[1]}.`,
      levels.length === 0 ? '' : ' Dotted lines are accuracies without poison, for comparison. They are not certified.',
      left === 0 ? '' : ` ${left} more in the table.`,
    ],
  }
}

/** For certificates without true classes: how many predictions, right or not, are certified. */
export function radiusFigure(facts: CertificateFacts, name: string, inputs: readonly CertifiedInput[]): ChartFigure {
  const largest = inputs.reduce((most, { radius }) => Math.max(most, radius), 0)
  const shares = Array.from(
    { length: largest + 1 },
    (_, r) => inputs.filter(({ radius }) => radius >= r).length / inputs.length,
  )
  return {
    kind: 'chart',
    chart: accuracyChart(facts, [curveOf(name, shares)], [], 'certified'),
    text: `Share of predictions that are certified, over the radius: ${shares
      .slice(0, 8)
      .map((share, r) => `${percentText(share)} at ${r}`)
      .join(', ')}.`,
    caption:
      'Share of predictions that are certified for a radius. No true class is known, so this says nothing about accuracy.',
  }
}

function accuracyChart(
  facts: CertificateFacts,
  curves: readonly ChartCurve[],
  levels: LineChart['levels'],
  label: string,
): LineChart {
  return {
    x: { label: radiusLabel(facts), values: 'whole' },
    y: { label, values: 'shares', range: [0, 1] },
    ...{ curves, levels },
  }
}

function spoken(summary: RobustnessSummary): string {
  const radii = tabledRadii(summary.certifiedAccuracy.length - 1)
  return radii.map((r) => `${percentText(certifiedAt(summary, r))} at ${r}`).join(', ')
}

/** One row for each predictor. */
export function runTable(facts: CertificateFacts): Block[] {
  const named = facts.runs.flatMap((run) => summariesOf(run).map(([name, summary]) => ({ run, name, summary })))
  if (named.length === 0) return []
  const largest = Math.max(...named.map(({ summary }) => summary.certifiedAccuracy.length - 1))
  const radii = tabledRadii(largest)
  const shown = named.slice(0, mostRows)
  const baselines: Part[] = facts.baseline === null ? [] : [percentText(facts.baseline.accuracy)]
  return [
    {
      kind: 'table',
      caption: `Right and certified for at least r ${unitWord(facts)[1]}, with 95 % intervals for ${named[0].summary.inputs} inputs; median and mean of the radius over all inputs`,
      columns: [
        { title: 'predictor' },
        ...radii.map((r) => ({ title: r === 0 ? 'r = 0: right' : `r = ${r}`, align: 'number' as const })),
        { title: 'median', align: 'number' },
        { title: 'mean', align: 'number' },
        { title: 'one base classifier', align: 'number' },
      ],
      rows: [
        ...shown.map(({ run, name, summary }) => [
          isolated(name),
          ...radii.map((r) => certifiedCell(summary, r, run.possible)),
          summary.medianRadius ?? 'none',
          summary.averageCertifiedRadius.toFixed(1),
          run.baseAccuracy === null ? '' : percentText(run.baseAccuracy),
        ]),
        ...baselines.map((share) => [
          ['always ', isolated(facts.baseline?.name ?? '')],
          share,
          ...radii.slice(1).map(() => ''),
          ...['', '', ''],
        ]),
      ],
      note: [
        'Intervals assume independent inputs; parts of one video are not independent. Median: the largest radius that at least half of all inputs have with a right prediction; none if fewer than half are right. Mean: a wrong prediction counts 0. Not possible: K partitions certify at most K/2 units.',
        named.length > shown.length ? ` ${named.length - shown.length} more in the certificate.` : '',
      ],
    },
  ]
}

const mostRows = 60

/** @param possible the largest radius there can be: beyond, the share is 0 whatever the inputs are */
function certifiedCell(
  summary: RobustnessSummary,
  r: number,
  possible: number | null,
): { readonly value: Part; readonly shade: number } {
  const share = certifiedAt(summary, r)
  if (possible !== null && r > possible) return { value: 'not possible', shade: 0 }
  return { value: withBelow(percentText(share), bounds(wilsonInterval(share, summary.inputs))), shade: share * 0.6 }
}
