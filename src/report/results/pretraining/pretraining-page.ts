/** The page of a pretraining run. */

import { signsFile } from '../../../train/file-names.ts'
import { lossWarnings } from '../../../train/pretrain.ts'
import { code, isolated, type Part } from '../../page/html.ts'
import type { Block, Page, Section } from '../../page/model.ts'
import { bytes, counted, countText, percentText, significant } from '../../page/numbers.ts'
import { sourceFiles } from '../read-file.ts'
import { signsBlocks, writtenSigns } from '../run/signs.ts'
import {
  badFileBlocks,
  configurationBlocks,
  learningRateFigure,
  lossFigure,
  speedBlocks,
} from '../run/training-blocks.ts'
import { type TrainingFacts, trainingFacts } from '../run/training-facts.ts'
import { reconstructionBlocks } from './reconstructions.ts'

/**
 * @param run folder of the run
 * @param folders where reconstructions of the run may be; null: no frames of videos in the page
 * @throws VideoMaeError `RESULTS_INVALID`, `HISTORY_UNREADABLE`
 */
export async function pretrainingPage(run: string, folders: readonly string[] | null): Promise<Page> {
  const facts = await trainingFacts(run)
  const { lines } = facts
  const signs = signsBlocks(await writtenSigns(run))
  const measured: Section[] =
    lines.length === 0
      ? []
      : [
          { heading: 'Loss', blocks: [...lossFacts(facts), lossFigure(lines), ...lossNotes(facts)] },
          { heading: 'Speed', blocks: speedBlocks(lines) },
          { heading: 'Learning rate', blocks: [learningRateFigure(lines)] },
        ]
  const [loss, ...others] = measured
  return {
    kind: 'pretraining run',
    title: titleOf(facts),
    lead: leadOf(facts),
    sections: [
      ...(loss === undefined ? [] : [loss]),
      ...(signs.length === 0 ? [] : [{ heading: 'Signs of learning', blocks: signs }]),
      ...(folders === null ? [] : [{ heading: 'Reconstructions', blocks: await reconstructionBlocks(folders) }]),
      ...others,
      { heading: 'Files that could not be read', blocks: badFileBlocks(facts) },
      { heading: 'Configuration', blocks: [...modelBlocks(facts), ...configurationBlocks(facts.configuration)] },
      { heading: 'Machine and checkpoints', blocks: machineBlocks(facts) },
    ],
    sources: await sourceFiles(run, ['config.json', 'metrics.jsonl', 'bad-files.jsonl', signsFile]),
  }
}

function titleOf({ lines }: TrainingFacts): string {
  const last = lines[lines.length - 1]
  if (last === undefined) return 'A pretraining run without results yet'
  return `Pretraining: loss ${significant(last.loss, 4)} after ${counted(last.step, 'step')}`
}

function leadOf({ lines, planned, videos, configuration }: TrainingFacts): Part[] {
  const { data } = configuration
  const paths = typeof data === 'object' && data !== null && 'path' in data ? [data.path].flat() : []
  const source: Part = paths.map((each, i) => [i === 0 ? ' from ' : ' and ', code(String(each))])
  const last = lines[lines.length - 1]
  if (last === undefined)
    return [['The run has not finished a log interval, so there are no results of its training to show', source, '.']]
  const done = planned !== null && last.step >= planned
  const { loss, meanLoss } = last
  return [
    [
      'A masked autoencoder was trained without labels',
      videos === null ? '' : ` on ${counted(videos, 'video')}`,
      ...[source, `. It has done ${countText(last.step)}`],
      planned === null ? '' : ` of ${countText(planned)}`,
      ` steps, ${countText(last.clips)} clips`,
      done || planned === null ? '.' : '. It was stopped, or it is still running.',
    ],
    [
      `Its last loss is ${significant(loss, 4)}.`,
      meanLoss === undefined
        ? ' The run does not record the loss of predicting the mean to compare with.'
        : ` Predicting the mean of every hidden patch has ${significant(meanLoss, 4)}: ${comparison(loss, meanLoss)}`,
    ],
  ]
}

function comparison(loss: number, meanLoss: number): string {
  if (lossWarnings({ loss, meanLoss }).length > 0) return 'the model has learned almost nothing.'
  return `the loss is ${percentText(1 - loss / meanLoss)} lower.`
}

function lossFacts({ lines, planned }: TrainingFacts): Block[] {
  const [first, last] = [lines[0], lines[lines.length - 1]]
  const lowest = lines.reduce((a, b) => (b.loss < a.loss ? b : a))
  return [
    {
      kind: 'facts',
      facts: [
        {
          label: 'last loss',
          value: significant(last.loss, 4),
          note: `step ${countText(last.step)}${planned === null ? '' : ` of ${countText(planned)}`}`,
        },
        ...(last.meanLoss === undefined
          ? []
          : [{ label: 'predicting the mean', value: significant(last.meanLoss, 4), note: 'on one clip of each step' }]),
        { label: 'first loss', value: significant(first.loss, 4), note: `step ${countText(first.step)}` },
        { label: 'lowest loss', value: significant(lowest.loss, 4), note: `step ${countText(lowest.step)}` },
      ],
    },
  ]
}

function lossNotes({ lines }: TrainingFacts): Block[] {
  const { loss, meanLoss = null } = lines[lines.length - 1]
  return [
    ...lossWarnings({ loss, meanLoss }).map((text): Block => ({ kind: 'warning', text })),
    {
      kind: 'text',
      text: 'A low loss means that hidden patches of the training videos are predicted well. Only a classifier on its features shows how useful the encoder is.',
    },
  ]
}

function modelBlocks({ configuration, parameters }: TrainingFacts): Block[] {
  const { model, mask, batch } = configuration
  const value = (section: unknown, key: string): unknown =>
    typeof section === 'object' && section !== null ? (section as Readonly<Record<string, unknown>>)[key] : undefined
  const shown = (found: unknown): string => (found === undefined || found === null ? 'unknown' : String(found))
  const ratio = value(mask, 'ratio')
  return [
    {
      kind: 'facts',
      facts: [
        {
          label: 'parameters',
          value: parameters === null ? 'unknown' : `${significant(parameters / 1e6)} million`,
          note: 'encoder and decoder',
        },
        {
          label: 'clip',
          value: isolated(`${shown(value(model, 'frames'))} frames`),
          note: isolated(`of ${shown(value(model, 'resolution'))} pixels, patches of ${shown(value(model, 'patch'))}`),
        },
        {
          label: 'hidden',
          value: typeof ratio === 'number' ? percentText(ratio) : 'unknown',
          note: isolated(`of the patches, mask ${shown(value(mask, 'kind'))}`),
        },
        { label: 'batch', value: isolated(`${shown(value(batch, 'size'))} clips`), note: 'of each step' },
      ],
    },
  ]
}

function machineBlocks({ engine, engineVariant, lines, checkpoints, configuration }: TrainingFacts): Block[] {
  const last = lines[lines.length - 1]
  const threads = (configuration.engine as { readonly threads?: unknown } | undefined)?.threads
  const precision = (configuration.engine as { readonly precision?: unknown } | undefined)?.precision
  const rows: Part[][] = [
    ['engine', engine === null ? 'not recorded' : isolated(engine)],
    ['its kernels', engineVariant === null ? 'not recorded' : isolated(engineVariant)],
    ['threads', threads === null || threads === undefined ? 'all cores' : isolated(String(threads))],
    ['precision', isolated(String(precision ?? 'not recorded'))],
    ['largest memory of the process', last === undefined ? 'not recorded' : bytes(last.memory)],
    ['memory of the engine', last?.engineMemory === undefined ? 'not recorded' : bytes(last.engineMemory)],
    [
      'checkpoints in the folder',
      checkpoints.length === 0 ? 'none' : `steps ${[...checkpoints].reverse().map(countText).join('; ')}`,
    ],
  ]
  return [
    {
      kind: 'table',
      caption: 'What the run records of its machine. It does not record the processor or the operating system',
      columns: [{ title: 'what' }, { title: 'value' }],
      rows,
    },
  ]
}
