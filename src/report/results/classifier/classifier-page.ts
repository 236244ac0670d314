/** The page of a fine-tuned classifier: how well it does on videos that it has not seen, and where it fails. */
import { wilsonInterval } from '../../../core/wilson-interval.ts'
import type { VideoEntry } from '../../../video/types.ts'
import { drawIntervals } from '../../page/chart/interval-chart.ts'
import { isolated, type Part, withBelow } from '../../page/html.ts'
import type { Block, Page, Section } from '../../page/model.ts'
import { bounds, counted, countText, interval, percentText, significant } from '../../page/numbers.ts'
import { calibrationBlocks } from './calibration.ts'
import { confusionBlocks } from './confusion.ts'
import type { ClassifierFacts, Evaluated } from './facts.ts'
import { entriesOf, mistakeBlocks } from './mistakes.ts'
import { splitSection } from './split.ts'
import { trainingSection, validationFigure } from './training.ts'

export interface ClassifierPageOptions {
  /** Where the files of predictions may be, next to those of the split. */
  readonly videos: readonly VideoEntry[]
  /** Whether frames of videos may be in the page. */
  readonly pictures: boolean
}

export async function classifierPage(facts: ClassifierFacts, options: ClassifierPageOptions): Promise<Page> {
  const { evaluation, run, sources } = facts
  const sections: Section[] = []
  if (evaluation === null) sections.push(untestedSection(facts))
  else {
    const videos = { given: options.videos, ofRun: entriesOf(run?.split ?? []) }
    sections.push(
      accuracySection(evaluation),
      { heading: 'Classes', blocks: classBlocks(evaluation) },
      { heading: 'Confusions', blocks: confusionBlocks(evaluation.confusion) },
      { heading: 'Calibration', blocks: calibrationBlocks(evaluation.predictions ?? [], evaluation.calibrationError) },
      {
        heading: 'Most confident mistakes',
        blocks: await mistakeBlocks(evaluation.predictions ?? [], videos, options.pictures),
      },
    )
  }
  sections.push(splitSection(facts))
  if (run !== null) sections.push(trainingSection(run))
  return {
    kind: 'classifier',
    title:
      evaluation === null ? 'A classifier that was not tested' : 'How well this classifier does on its test videos',
    lead: evaluation === null ? [untestedReason(facts)] : leadOf(evaluation),
    ...{ sections, sources },
  }
}

interface Baselines {
  readonly label: string
  readonly majority: number
  readonly chance: number
}

/** As the evaluation has them; those of earlier versions follow from its classes. */
function baselinesOf({ baseline, perClass, videos }: Evaluated): Baselines {
  if (baseline !== undefined) return { ...baseline, majority: baseline.majority.value, label: baseline.majority.label }
  const most = perClass.reduce((a, b) => (b.videos > a.videos ? b : a))
  return { label: most.label, majority: most.videos / videos, chance: 1 / perClass.length }
}

const ofVideos = ({ videos, groups }: Evaluated): string =>
  `${counted(videos, 'video')}${groups === videos ? '' : ` in ${counted(groups, 'group')}`}`

function leadOf(evaluation: Evaluated): Part[] {
  const { top1, failures } = evaluation
  const { label, majority, chance } = baselinesOf(evaluation)
  const better = top1.low > majority
  return [
    [
      `Of ${ofVideos(evaluation)}, ${percentText(top1.value)} are classified right (95 % interval: ${interval(top1)}). Always answering `,
      isolated(label),
      ` would be right for ${percentText(majority)}, and guessing for ${percentText(chance)}.`,
      better ? '' : ' So the results do not show that the classifier is better than that.',
      failures.length === 0
        ? ''
        : ` ${counted(failures.length, 'video')} could not be read and ${failures.length === 1 ? 'is' : 'are'} not counted.`,
    ],
  ]
}

function untestedReason({ run }: ClassifierFacts): string {
  const split = run?.split ?? null
  if (split === null) return 'The run was stopped before its videos were split. There is no accuracy to show.'
  if (split.every(({ part }) => part !== 'test'))
    return 'Its split has no test videos, so its accuracy on new videos is unknown.'
  return 'It has test videos, but there are no results: the run was stopped before its test, or none of the test videos could be read.'
}

function untestedSection({ run }: ClassifierFacts): Section {
  const blocks: Block[] = [
    {
      kind: 'text',
      text: 'Accuracy on validation videos is not a substitute: the classifier was chosen by it, so it is higher than accuracy on new videos.',
    },
  ]
  if (run !== null && run.validation.length > 0) blocks.push(validationFigure(run.validation))
  return { heading: 'Accuracy', blocks }
}

function accuracySection(evaluation: Evaluated): Section {
  const { top1, top5, balanced, loss, groups, videos, views, perClass } = evaluation
  const { label, majority, chance } = baselinesOf(evaluation)
  const rows = [
    { name: 'top-1', ...top1 },
    ...(top5 === null ? [] : [{ name: 'top-5', ...top5 }]),
    { name: 'balanced', ...balanced },
  ].map((row) => ({ ...row, text: `${percentText(row.value)} (${interval(row)})` }))
  const levels = [
    { name: `always ${label}: ${percentText(majority)}`, value: majority },
    { name: `chance: ${percentText(chance)}`, value: chance },
  ].slice(0, Math.abs(majority - chance) < 1e-9 ? 1 : 2)
  const text = `${rows.map(({ name, text }) => `${name} ${text}`).join(', ')}. Always ${label}: ${percentText(majority)}. Chance: ${percentText(chance)}.`
  return {
    heading: 'Accuracy',
    blocks: [
      {
        kind: 'facts',
        facts: [
          { label: 'top-1', value: percentText(top1.value), note: `95 %: ${interval(top1)}` },
          ...(top5 === null
            ? []
            : [{ label: 'top-5', value: percentText(top5.value), note: `95 %: ${interval(top5)}` }]),
          { label: 'balanced', value: percentText(balanced.value), note: `95 %: ${interval(balanced)}` },
          { label: 'baseline', value: percentText(majority), note: ['always ', isolated(label)] },
          { label: 'chance', value: percentText(chance), note: `of ${counted(perClass.length, 'class', 'classes')}` },
          { label: 'loss', value: significant(loss, 4), note: 'mean of -log p of the true class' },
        ],
      },
      {
        kind: 'drawn',
        wide: drawIntervals(rows, levels, text, 'wide'),
        narrow: drawIntervals(rows, levels, text, 'narrow'),
        caption: `Accuracy with 95 % intervals, next to baselines that look at no video (dotted). Top-1: share of the videos. Balanced: mean recall over the classes. ${views.clips} x ${views.crops} views of each video.`,
      },
      {
        kind: 'text',
        text:
          groups === videos
            ? 'Intervals count every video as an independent trial.'
            : `Videos of one group are not independent, so intervals count ${counted(groups, 'group')} instead of ${counted(videos, 'video')}.`,
      },
      ...evaluation.warnings.map((warning): Block => ({ kind: 'warning', text: isolated(warning) })),
      { kind: 'text', text: trainedOnSentence(evaluation) },
    ],
  }
}

function trainedOnSentence({ trainedOn, videos }: Evaluated): Part {
  if (trainedOn === undefined) return 'The evaluation does not say whether the classifier was trained on these videos.'
  const { known, why, withLabels, withoutLabels, others } = trainedOn
  const seen = withLabels.length === 0 ? 'None' : `${countText(withLabels.length)} of ${countText(videos)}`
  return [
    known
      ? `${seen} of these videos, by content, were used to train or choose the classifier.`
      : [
          `It is not fully known which of these videos were used to train the classifier: `,
          isolated(why ?? ''),
          `. At least ${countText(withLabels.length)} were.`,
        ],
    withoutLabels.length === 0
      ? ''
      : ` Its encoder was trained on ${countText(withoutLabels.length)} of them without labels.`,
    others === null
      ? ''
      : ` Top-1 on the other ${counted(others.videos, 'video')}: ${percentText(others.top1.value)} (95 %: ${interval(others.top1)}).`,
  ]
}

const [mostClasses, mostOpen] = [500, 30]

/** All classes, or the worst ones with the others folded away. */
function classBlocks({ perClass }: Evaluated): Block[] {
  const sorted = [...perClass].sort((a, b) => (a.recall ?? 2) - (b.recall ?? 2))
  const open = sorted.length <= mostOpen + 10 ? sorted : sorted.slice(0, mostOpen)
  const rest = sorted.slice(open.length, mostClasses)
  const left = sorted.length - open.length - rest.length
  return [
    classTable(
      open,
      `Recall (share of the videos of a class that are found) and precision (share of its predictions that are right)${open.length === sorted.length ? ', the worst first' : `: the ${mostOpen} worst classes`}`,
    ),
    ...(rest.length === 0
      ? []
      : [
          {
            kind: 'fold',
            summary: `${rest.length} more classes`,
            blocks: [classTable(rest, 'Recall and precision of the other classes')],
          } as const,
        ]),
    {
      kind: 'text',
      text: `Below each share is its 95 % interval, in percent. It assumes independent videos.${left > 0 ? ` ${counted(left, 'more class', 'more classes')} in evaluation.json.` : ''}`,
    },
  ]
}

function classTable(classes: Evaluated['perClass'], caption: string): Block {
  return {
    kind: 'table',
    caption,
    columns: [
      { title: 'class' },
      { title: 'videos', align: 'number' },
      { title: 'recall', align: 'number' },
      { title: 'predictions', align: 'number' },
      { title: 'precision', align: 'number' },
    ],
    rows: classes.map(({ label, videos, predicted, recall, precision }) => [
      isolated(label),
      videos,
      recall === null ? 'no videos' : shareOf(recall, videos),
      predicted,
      precision === null ? 'no predictions' : shareOf(precision, predicted),
    ]),
  }
}

function shareOf(share: number, of: number): { readonly value: Part; readonly shade: number } {
  return { value: withBelow(percentText(share), bounds(wilsonInterval(share, of))), shade: share * 0.6 }
}
