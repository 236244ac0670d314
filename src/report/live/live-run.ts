/** What a live page says of runs: of one everything, of several how they differ. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { nullIfMissing } from '../../format/missing.ts'
import { formatSeconds } from '../../train/progress.ts'
import { code, isolated, type Part } from '../page/html.ts'
import type { Block, ChartFigure, Fact } from '../page/model.ts'
import { countText, percentText, significant } from '../page/numbers.ts'
import { type ValidationRow, validationSchema } from '../results/classifier/facts.ts'
import { validationFigure } from '../results/classifier/training.ts'
import { reconstructionBlocks } from '../results/pretraining/reconstructions.ts'
import { readResultLines } from '../results/read-file.ts'
import { signsBlocks, type WrittenSigns, writtenSigns } from '../results/run/signs.ts'
import {
  badFileBlocks,
  configurationBlocks,
  learningRateFigure,
  leaves,
  lossFigure,
  speedBlocks,
} from '../results/run/training-blocks.ts'
import { type MeasuredLine, type TrainingFacts, trainingFacts } from '../results/run/training-facts.ts'

/** A run that a live page is about. */
export interface WatchedRun {
  /** What the page calls it. */
  readonly name: string
  /** Folder of the run. */
  readonly folder: string
}

/** A part of the page that is replaced as a whole. */
export interface LiveSection {
  readonly id: string
  readonly heading: string
  readonly blocks: readonly Block[]
}

interface RunFacts extends WatchedRun {
  readonly training: TrainingFacts
  readonly validation: readonly ValidationRow[]
  readonly signs: readonly WrittenSigns[]
  /** When the last line was written, milliseconds since 1970; null where there is none. */
  readonly written: number | null
}

/**
 * @param runs one, or up to `mostCurves`
 * @throws VideoMaeError `RESULTS_INVALID`, `HISTORY_UNREADABLE`
 */
export async function liveSections(runs: readonly WatchedRun[], now = Date.now()): Promise<LiveSection[]> {
  const facts = await Promise.all(runs.map(factsOf))
  const sections = facts.length === 1 ? await sectionsOfOne(facts[0]) : await sectionsOfSeveral(facts)
  const state = { id: 'state', heading: 'State', blocks: [stateBlock(facts, now), ...notes(facts)] }
  return [state, ...sections].filter(({ blocks }) => blocks.length > 0)
}

async function factsOf(run: WatchedRun): Promise<RunFacts> {
  const written = await stat(path.join(run.folder, 'metrics.jsonl')).catch(nullIfMissing)
  return {
    ...run,
    training: await trainingFacts(run.folder),
    validation: await readResultLines(path.join(run.folder, 'validation.jsonl'), validationSchema),
    signs: await writtenSigns(run.folder),
    written: written?.mtimeMs ?? null,
  }
}

async function sectionsOfOne({ folder, training, validation, signs }: RunFacts): Promise<LiveSection[]> {
  const { lines } = training
  const measured = lines.length > 0
  return [
    { id: 'loss', heading: 'Loss', blocks: measured ? [lossFigure(lines)] : [] },
    { id: 'validation', heading: 'Validation', blocks: validation.length > 0 ? [validationFigure(validation)] : [] },
    { id: 'signs', heading: 'Signs of learning', blocks: signsBlocks(signs) },
    { id: 'reconstruction', heading: 'Newest reconstruction', blocks: await reconstructionOf(folder) },
    { id: 'speed', heading: 'Speed', blocks: measured ? speedBlocks(lines) : [] },
    { id: 'rate', heading: 'Learning rate', blocks: measured ? [learningRateFigure(lines)] : [] },
    { id: 'bad-files', heading: 'Files that could not be read', blocks: badFileBlocks(training) },
    { id: 'configuration', heading: 'Configuration', blocks: configurationBlocks(training.configuration) },
  ]
}

async function sectionsOfSeveral(facts: readonly RunFacts[]): Promise<LiveSection[]> {
  const lines = (of: (line: MeasuredLine) => number | null | undefined) => (run: RunFacts) =>
    run.training.lines.flatMap((line) => {
      const value = of(line)
      return value === null || value === undefined ? [] : [[line.step, value] as const]
    })
  const reconstructions = await Promise.all(
    facts.map(async ({ name, folder }) => {
      const blocks = await reconstructionOf(folder)
      return blocks.length === 0 ? [] : [{ kind: 'text', text: isolated(name) } as const, ...blocks]
    }),
  )
  return [
    {
      id: 'loss',
      heading: 'Loss',
      blocks: compared(
        facts,
        'loss',
        lines(({ loss }) => loss),
        { tight: true },
      ),
    },
    {
      ...{ id: 'validation', heading: 'Validation' },
      blocks: compared(
        facts,
        'validation accuracy',
        ({ validation }) => validation.map(({ step, accuracy }) => [step, accuracy]),
        { values: 'shares', range: [0, 1] },
      ),
    },
    {
      ...{ id: 'signs', heading: 'Signs of learning' },
      blocks: compared(
        facts,
        'direction of flow: accuracy',
        ({ signs }) => signs.map(({ step, flowDirection }) => [step, flowDirection]),
        { values: 'shares', range: [0, 1] },
      ),
    },
    {
      ...{ id: 'speed', heading: 'Speed' },
      blocks: compared(
        facts,
        'clips per second',
        lines(({ clipsPerSecond }) => clipsPerSecond),
        {},
      ),
    },
    {
      ...{ id: 'rate', heading: 'Learning rate' },
      blocks: compared(
        facts,
        'learning rate',
        lines(({ learningRate }) => learningRate),
        {},
      ),
    },
    { id: 'configuration', heading: 'Differences of the configurations', blocks: [differences(facts)] },
    { id: 'reconstruction', heading: 'Newest reconstructions', blocks: reconstructions.flat() },
  ]
}

/** One figure with a curve for each run that has such values. */
function compared(
  facts: readonly RunFacts[],
  label: string,
  pointsOf: (run: RunFacts) => readonly (readonly [number, number])[],
  axis: Omit<ChartFigure['chart']['y'], 'label'>,
): ChartFigure[] {
  const curves = facts.map((run) => ({ name: run.name, points: pointsOf(run) }))
  const last = curves.flatMap(({ name, points }) => {
    const end = points.at(-1)
    return end === undefined ? [] : [`${name}: ${significant(end[1], 4)} at step ${end[0]}`]
  })
  if (last.length === 0) return []
  const chart = { x: { label: 'step', values: 'whole' }, y: { label, ...axis }, curves } as const
  const text = `${label} over the steps, last values: ${last.join('; ')}.`
  return [{ kind: 'chart', chart, text, caption: `${label} over the steps. Last values: ${last.join('; ')}.` }]
}

/** The animation that was written last, of those that `reconstruct` puts into the folder of a run. */
async function reconstructionOf(folder: string): Promise<Block[]> {
  const blocks = await reconstructionBlocks([folder], { newest: true })
  return blocks.some(({ kind }) => kind === 'pictures') ? blocks : []
}

const stateTitles = ['step', 'loss', 'predicting the mean', 'validation', 'clips/s', 'time', 'left', 'last line']

/** Of one run, numbers that fit on a phone; of several, a table. */
function stateBlock(facts: readonly RunFacts[], now: number): Block {
  const rows = facts.map((run) => stateRow(run, now))
  if (rows.length === 1) {
    const { planned, lines } = facts[0].training
    const step: Fact = {
      label: 'step',
      value: countText(lines.at(-1)?.step ?? 0),
      note: planned === null ? undefined : `of ${countText(planned)}`,
    }
    return {
      kind: 'facts',
      facts: [step, ...stateTitles.slice(1).map((label, i): Fact => ({ label, value: rows[0][i + 2] }))],
    }
  }
  return {
    kind: 'table',
    caption: 'State of each run, from the last line of its metrics',
    columns: [{ title: 'run' }, ...stateTitles.map((title) => ({ title, align: 'number' as const }))],
    rows,
  }
}

function stateRow({ name, training, validation, written }: RunFacts, now: number): Part[] {
  const { lines, planned } = training
  const last = lines.at(-1)
  const accuracy = validation.at(-1)?.accuracy
  const none = '–'
  if (last === undefined)
    return [isolated(name), `0${planned === null ? '' : ` of ${countText(planned)}`}`, ...Array(7).fill(none)]
  const left = planned === null ? null : ((planned - last.step) * last.seconds) / last.step
  const speed = lines.findLast(({ clipsPerSecond }) => clipsPerSecond !== null)?.clipsPerSecond ?? null
  const ago = written === null ? null : Math.max(0, (now - written) / 1000)
  return [
    isolated(name),
    `${countText(last.step)}${planned === null ? '' : ` of ${countText(planned)}`}`,
    significant(last.loss, 4),
    last.meanLoss === undefined ? none : significant(last.meanLoss, 4),
    accuracy === undefined ? none : percentText(accuracy),
    speed === null ? none : significant(speed),
    formatSeconds(last.seconds),
    left === null ? none : left <= 0 ? 'done' : formatSeconds(left),
    // By the minute: a clock that ticks would replace the section each second.
    ago === null
      ? none
      : ago < 60
        ? 'just now'
        : `${formatSeconds(60 * Math.floor(ago / 60)).replace(/ 00 s$/, '')} ago`,
  ]
}

/** Modes without steps: there is no log interval to wait for. */
function trainsHead(configuration: unknown): boolean {
  const mode =
    typeof configuration === 'object' && configuration !== null && 'mode' in configuration ? configuration.mode : null
  return mode === 'ridge' || mode === 'linear' || mode === 'attentive'
}

function notes(facts: readonly RunFacts[]): Block[] {
  return facts.flatMap(({ name, training }): Block[] =>
    training.lines.length > 0
      ? []
      : [
          {
            kind: 'text',
            text: [
              isolated(name),
              trainsHead(training.configuration)
                ? ' trains a head on features that are computed once, so it has no figures. videomae evaluate and videomae report show what it learned.'
                : ' has not finished a log interval yet, so it has no figures.',
            ],
          },
        ],
  )
}

/** Keys whose values are not the same in all runs. */
function differences(facts: readonly RunFacts[]): Block {
  const values = facts.map(({ training }) => new Map(leaves(training.configuration)))
  const keys = [...new Set(values.flatMap((each) => [...each.keys()]))]
  const differing = keys.filter((key) => new Set(values.map((each) => each.get(key))).size > 1)
  if (differing.length === 0) return { kind: 'text', text: 'Nothing: the runs have the same configuration.' }
  return {
    kind: 'table',
    caption: 'Values that differ between the runs (config.json)',
    columns: [{ title: 'key' }, ...facts.map(({ name }) => ({ title: name }))],
    rows: differing.map((key) => [code(key), ...values.map((each) => isolated(each.get(key) ?? 'not set'))]),
  }
}
