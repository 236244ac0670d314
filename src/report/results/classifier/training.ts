/** How the classifier was trained. */
import { wilsonInterval } from '../../../core/wilson-interval.ts'
import { code, isolated } from '../../page/html.ts'
import type { Block, ChartFigure, Section } from '../../page/model.ts'
import { countText, interval, percentText } from '../../page/numbers.ts'
import {
  badFileBlocks,
  configurationBlocks,
  learningRateFigure,
  lossFigure,
  speedBlocks,
} from '../run/training-blocks.ts'
import type { ClassifierFacts, ValidationRow } from './facts.ts'

export function trainingSection({ training, validation }: NonNullable<ClassifierFacts['run']>): Section {
  const { configuration, lines, planned } = training
  const { mode, model } = configuration
  const from = typeof model === 'object' && model !== null && 'from' in model ? model.from : null
  const last = lines[lines.length - 1]
  const blocks: Block[] = [
    {
      kind: 'text',
      text: [
        ...['Mode ', isolated(typeof mode === 'string' ? mode : 'unknown')],
        mode === 'full' ? ': all weights are trained' : ': a head is trained on features of a frozen encoder',
        typeof from === 'string' ? ['. Started from ', code(from)] : '',
        last === undefined
          ? '.'
          : `. ${countText(last.step)}${planned === null ? '' : ` of ${countText(planned)}`} steps done.`,
      ],
    },
  ]
  if (validation.length > 0) blocks.push(validationFigure(validation))
  if (lines.length > 0)
    blocks.push(lossFigure(lines), learningRateFigure(lines), ...speedBlocks(lines), ...badFileBlocks(training))
  return { heading: 'Training', blocks: [...blocks, ...configurationBlocks(configuration)] }
}

export function validationFigure(validation: readonly ValidationRow[]): ChartFigure {
  const within = validation.map(({ accuracy, videos }) => wilsonInterval(accuracy, Math.max(1, videos)))
  const best = validation.reduce((a, b) => (b.accuracy > a.accuracy ? b : a))
  const at = validation.indexOf(best)
  return {
    kind: 'chart',
    chart: {
      x: { label: 'step', values: 'whole' },
      y: { label: 'validation accuracy', values: 'shares', range: [0, 1] },
      curves: [
        {
          name: 'validation',
          points: validation.map(({ step, accuracy }) => [step, accuracy]),
          intervals: validation.length <= 40 ? within.map(({ low, high }) => [low, high]) : [],
        },
      ],
    },
    text: `Accuracy on the validation videos over the steps, at most ${percentText(best.accuracy)} at step ${best.step}.`,
    caption: `Accuracy on ${countText(best.videos)} validation videos with 95 % intervals that assume independent videos. Highest: ${percentText(best.accuracy)} (${interval(within[at])}) at step ${countText(best.step)}. The best classifier is chosen by this accuracy, so it is not a test.`,
  }
}
