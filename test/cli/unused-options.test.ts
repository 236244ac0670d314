/** Every option of every command: where it has no effect it is refused by its name, before anything is read or written. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createProgram } from '../../src/cli/create-program.ts'
import { runHere } from '../support/run-here.ts'

/** Where an option has no effect: command lines that are refused because of it, or tests that need more than a command line. */
interface Unused {
  readonly refused?: readonly string[]
  readonly tests?: readonly (readonly [file: string, name: string])[]
}
/** `used`: it has an effect in every mode of its command. */
type Use = 'used' | Unused

const used = (...names: string[]): Record<string, Use> => Object.fromEntries(names.map((name) => [name, 'used']))
/** Options that belong to one mode of a command: the rest of a command line of another mode, by option. */
const refused = (modes: readonly string[], options: readonly string[]): Record<string, Use> =>
  Object.fromEntries(
    options.map((option) => [option.split(' ')[0], { refused: modes.map((mode) => `${mode} ${option}`) }]),
  )

const unitTests = 'src/certify/unused-options.test.ts'
const inVotes = 'certify --votes v.npy --classes 2'
const inLists = 'certify list.csv --groups 2 --stage groups'
const pixels = 'an engine and training data are refused for features of pixels'
const testShare: Use = {
  tests: [
    [unitTests, 'a share to predict is refused together with videos to predict'],
    [unitTests, 'what splits videos is refused where something else does'],
  ],
}
const split: Use = { tests: [[unitTests, 'what splits videos is refused where something else does']] }
/** What `certify`, `audit` and `lethal-dose` share. */
const ofStudies: Record<string, Use> = {
  ...used('--test', '--classes', '--out', '--cache', '--seed', '--threads', '--workers', '--decoder', '--json'),
  ...used('--quiet', '--trusted', '--stride', '--by'),
  '--test-share': testShare,
  '--split': split,
  '--clips': { tests: [['test/certify-videos/learners.test.ts', 'refuses options that a learner does not have']] },
  '--test-clips': { tests: [['test/certify-videos/learners.test.ts', 'refuses options that a learner does not have']] },
  '--augment': { tests: [['test/certify-videos/augment.test.ts', 'is refused where nothing reads it']] },
  '--engine': { tests: [[unitTests, pixels]] },
  '--readout': { tests: [['test/certify-videos/readout.test.ts', 'is refused before any video is decoded']] },
}
const ofLearners = ['--lambda 1', '--epochs 2', '--learning-rate 1', '--recipe finetune-laptop']

const table: Record<string, Record<string, Use>> = {
  inspect: {
    ...used('--decoder', '--workers', '--timeout', '--json'),
    '--base': { refused: ['inspect video.mp4 --base .', 'inspect videos --base .'] },
  },
  dataset: {
    ...used('--out', '--json'),
    '--annotations': {
      refused: ['dataset split videos --annotations videos', 'dataset duplicates videos --annotations videos'],
    },
    ...refused(['dataset ucf101 videos', 'dataset duplicates videos'], ['--groups (a)', '--folds 2']),
    ...refused(
      ['dataset ucf101 videos', 'dataset duplicates videos', 'dataset split videos --folds 2'],
      ['--validation 0.1', '--test 0.1'],
    ),
    ...refused(
      ['dataset ucf101 videos', 'dataset duplicates videos', 'dataset split videos --folds column'],
      ['--seed 1'],
    ),
  },
  get: used('--json', '--quiet'),
  prepare: {
    ...used(
      '--size',
      '--group',
      '--quality',
      '--fps',
      '--jobs',
      '--shard',
      '--timeout',
      '--dry-run',
      '--json',
      '--quiet',
    ),
    '--base': { refused: ['prepare videos prepared --base .', 'prepare video.mp4 prepared --base .'] },
  },
  pretrain: {
    ...used('--recipe', '--out', '--resume', '--keep', '--engine', '--threads', '--decoder', '--workers', '--timeout'),
    ...used('--seed', '--print-config', '--force', '--json', '--quiet', '--log-csv'),
    '--set': { refused: ['pretrain videos --set clip.cropScale=[0.4,1]'] },
    '--dry-run': { refused: ['pretrain videos --print-config --dry-run'] },
    ...refused(['pretrain videos --print-config', 'pretrain videos --dry-run'], ['--page']),
  },
  launch: {
    ...used('--ranks', '--mpirun', '--json'),
    '--restarts': { tests: [['src/cli/launch.test.ts', 'are refused for commands that have no --resume']] },
  },
  finetune: {
    ...used('--from', '--mode', '--recipe', '--shots', '--out', '--resume', '--engine', '--threads', '--seed'),
    ...used('--print-config', '--force', '--json', '--quiet'),
    '--set': {
      refused: ['ridge', 'linear', 'attentive']
        .flatMap((mode) =>
          [
            ...[
              'augment.flip=true',
              'regularization.dropout=0.5',
              'batch.size=8',
              'optimizer.weightDecay=0',
              'log.every={"steps":1}',
            ],
            ...[
              'schedule.duration={"steps":1}',
              'checkpoint.keep=2',
              'data.samplesPerClip=2',
              'evaluation.every={"steps":1}',
            ],
            ...['evaluation.batch=2', 'engine.recompute=blocks', 'model.decoder.depth=1', 'model.target=raw'],
            mode === 'attentive' ? 'probe.readout=motion' : 'probe.heads=2',
            ...(mode === 'ridge'
              ? ['probe.epochs=2', 'probe.batch=2', 'probe.learningRate=1', 'probe.weightDecay=0']
              : []),
          ].map((key) => `finetune list.csv --from scratch --mode ${mode} --set ${key}`),
        )
        .concat(
          ['probe.clips=2', 'probe={"clips":2}', 'probe.readout=motion', 'model.target=raw'].map(
            (key) => `finetune list.csv --from scratch --mode full --set ${key}`,
          ),
          ['engine.threads=2', 'engine.device=cpu', 'engine.precision=bfloat16'].map(
            (key) => `finetune list.csv --from scratch --mode ridge --engine reference --set ${key}`,
          ),
          [
            'finetune list.csv --from scratch --mode full --set augment.mixup=null --set augment.cutmix=null --set augment.mixProbability=0.5',
          ],
        ),
    },
    '--readout': { tests: [['test/finetune/readout-heads.test.ts', '--readout is refused in mode']] },
    '--dry-run': { refused: ['finetune list.csv --from scratch --print-config --dry-run'] },
    ...refused(
      ['finetune list.csv --from scratch --dry-run', 'finetune list.csv --from scratch --folds 2'],
      ['--page'],
    ),
    ...refused(['finetune list.csv --from scratch'], ['--repeats 2']),
    ...refused(['finetune list.csv --from scratch --mode ridge'], ['--log-csv']),
    '--folds': {
      tests: [['test/finetune/cross-validation.test.ts', 'is refused together with what it has no use for']],
    },
  },
  evaluate: {
    ...used('--from', '--clips', '--crops', '--batch', '--out', '--workers', '--decoder'),
    ...used('--json', '--quiet'),
    '--threads': { refused: ['evaluate list.csv --from run --engine cuda --threads 2'] },
    '--report': { refused: ['evaluate list.csv --from model.onnx --report'] },
    '--split': { tests: [['src/cli/dataset-part.test.ts', 'a part is refused for data without a split']] },
    '--engine': { refused: ['evaluate list.csv --from model.onnx --engine native'] },
  },
  predict: {
    ...used('--certified', '--json'),
    '--threads': { refused: ['predict v.mp4 --from run --engine reference --threads 2'] },
    ...refused(
      ['predict v.mp4 --from model.onnx'],
      ['--encoder run', '--rule dpa', '--require-radius 1', '--target a'],
    ),
    ...refused(['predict v.mp4 --certified ensemble'], ['--from run', '--top 2', '--threshold 0.5', '--windows 2']),
    '--csv': {
      refused: ['predict v.mp4 --certified ensemble --csv out.csv', 'predict v.mp4 --from model.onnx --csv -'],
    },
    '--watch': {
      refused: [
        'predict videos --certified ensemble --watch',
        'predict videos --from model.onnx --watch --csv -',
        'predict v.mp4 --from model.onnx --watch',
      ],
    },
    '--engine': {
      refused: ['predict v.mp4 --from model.onnx --engine reference'],
      tests: [['test/certify-videos/ensemble-export.test.ts', 'takes features where there is no encoder']],
    },
    // Another number of views, or another decoder, than the certified one is an error of its own.
    ...used('--clips', '--crops', '--decoder'),
  },
  features: {
    ...used('--from', '--kind', '--window-step', '--stride', '--shard', '--out', '--cache', '--batch'),
    ...used('--engine', '--workers', '--decoder', '--json', '--quiet'),
    '--threads': { refused: ['features videos --from run --engine reference --threads 2'] },
    '--clips': { tests: [[unitTests, 'views are refused together with sliding windows']] },
    '--crops': { tests: [[unitTests, 'views are refused together with sliding windows']] },
    '--readout': { refused: ['features videos --from pixels --kind tokens --readout motion'] },
    '--fps': { tests: [['src/train/clip-timing.test.ts', 'are refused together in recipes and on the command line']] },
  },
  reconstruct: used('--mask-ratio', '--mask', '--stride', '--out', '--seed', '--engine', '--decoder', '--json'),
  export: {
    ...used('--out', '--certified', '--json'),
    ...refused(
      ['export run', 'export run --certified ensemble'],
      [
        ...['--precision int8', '--fp16', '--int8', '--calibrate list.csv', '--calibration-clips 2'],
        ...['--format huggingface', '--evaluate list.csv'],
      ],
    ),
    '--classifier': { refused: ['export run --certified ensemble --classifier'] },
    '--input': {
      refused: [
        'export run --classifier --format huggingface --input uint8',
        'export run --classifier --format huggingface --input float32',
        'export run --input pooled',
      ],
    },
    '--engine': { refused: ['export run --classifier --format huggingface --engine native'] },
    '--check': { refused: ['export run --classifier --check v.mp4', 'export run --certified ensemble --check v.mp4'] },
  },
  certify: {
    ...ofStudies,
    ...used('--votes', '--rule', '--out', '--json', '--quiet', '--classes', '--groups', '--stage'),
    ...refused(
      ['certify list.csv --from run'],
      [
        '--learners 2',
        '--label-column y',
        '--id-column id',
        '--header yes',
        '--first-class 1',
        '--kind scores',
        '--offsets 0,1',
      ],
    ),
    ...refused(
      [inVotes, inLists],
      [
        ...['--from run', '--partitions 4', '--group-recipe laptop-pretrain', '--white-box'],
        ...[
          '--clips 2',
          '--stride 2',
          '--readout motion',
          '--cache folder',
          '--engine native',
          '--threads 1',
          '--workers 1',
        ],

        ...['--decoder ffmpeg', '--trained-on list.csv', '--trust public', '--period 7d', '--until 2024-01-01'],
        ...['--shard 1/2', ...ofLearners],
      ],
    ),
    ...refused(
      [inVotes],
      [
        ...['--stage features', '--test list.csv', '--test-share 0.5', '--split hash', '--by id', '--trusted list.csv'],
        ...['--seed 1', '--learner ridge', '--threat general', '--labels-used'],
      ],
    ),
    ...refused(
      [inLists],
      ['--spread 2', '--seeds-per-partition 2', '--coverage 2', '--no-per-input', '--target a', '--collective 1,2'],
    ),
    ...refused([inVotes, inLists, 'certify list.csv --from run --shard 1/2 --stage learners'], ['--plan']),
    ...refused([inVotes, inLists, 'certify list.csv --from run'], ['--lethal-dose dose.json']),
    ...refused([inLists, 'certify list.csv --from run --shard 1/2 --stage learners'], ['--require accuracy>=0.5']),
    ...refused(
      [inLists, 'certify list.csv --from run --shard 1/2 --stage learners', 'certify list.csv --from run --plan'],
      ['--report'],
    ),
  },
  verify: {
    ...used('--data', '--require', '--json', '--quiet'),
    ...refused(['verify c.json'], ['--test list.csv', '--retrain 0']),
    ...refused(['verify c.json --data list.csv'], ['--from run', '--cache folder']),
  },
  audit: {
    ...ofStudies,
    ...used('--from', '--partitions', '--rule', '--learner', '--trials', '--attacks', '--list-trials'),
    ...refused(['audit list.csv --from run'], [...ofLearners.slice(1), '--groups 2', '--spread 2', '--coverage 2']),
    ...refused(['audit list.csv --from run'], ['--period 7d', '--until 2024-01-01']),
    ...refused(['audit list.csv --from run --learner linear'], ['--lambda 1']),
    '--seeds-per-partition': {
      tests: [[unitTests, 'several seeds are refused for heads, which draw no random numbers']],
    },
    '--white-box': {
      refused: [
        'audit list.csv --from run --rule roe --white-box',
        'audit list.csv --from run --learner linear --white-box',
        'audit list.csv --from run --list-trials 0 --white-box',
      ],
    },
    '--budget': { refused: ['audit list.csv --from run --trials 0 --budget 2'] },
  },
  'lethal-dose': {
    ...ofStudies,
    ...used('--from', '--learner', '--partitions', '--threat', '--subsets', '--accuracies', '--trust', '--labels-used'),
    ...refused(['lethal-dose list.csv --from run'], ofLearners.slice(1)),
    ...refused(['lethal-dose list.csv --from run --learner linear,attentive'], ['--lambda 1']),
    ...refused(['lethal-dose list.csv --from run --learner attentive'], ['--readout motion']),
    ...refused(['lethal-dose list.csv --from pixels'], ['--engine native', '--trained-on list.csv']),
  },
  diff: used('--csv', '--json'),
  statement: used('--audit', '--json', '--quiet'),
  report: {
    ...used('--out', '--json'),
    '--no-pictures': { tests: [['test/report/certificates.test.ts', '--no-pictures is refused for a certificate']] },
  },
  watch: used('--port', '--json'),
  demo: used('--out', '--clips', '--steps', '--engine', '--threads', '--json'),
  doctor: used('--json', '--measure'),
  completion: used('--json'),
}

const given = ['video.mp4', 'videos']
const before = process.cwd()
let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-unused-'))
  mkdirSync(path.join(folder, 'videos'))
  writeFileSync(path.join(folder, 'video.mp4'), 'not decoded')
  writeFileSync(path.join(folder, 'videos', 'a.mp4'), 'not decoded')
  process.chdir(folder)
})
afterEach(() => {
  for (const name of readdirSync(folder))
    if (!given.includes(name)) rmSync(path.join(folder, name), { recursive: true })
})
afterAll(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true, force: true })
})

const named = ({ long, flags }: { readonly long?: string | null; readonly flags: string }): string => long ?? flags

test('the table has every option of every command, and no other', () => {
  const commands = createProgram().commands.map((command) => [command.name(), command.options.map(named).sort()])
  const known = Object.entries(table).map(([command, options]) => [command, Object.keys(options).sort()])
  expect(known).toEqual(commands)
})

/** `--learning-rate` is `learningRate` in the library, which names it so. */
const inLibrary = (option: string): string =>
  option.slice(2).replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
/** Names of options in the library that are not those of the command line. */
const others: Readonly<Record<string, string>> = {
  budget: 'largestBudget',
  'seeds-per-partition': 'seeds',
}

describe.each(Object.entries(table))('%s', (_, options) => {
  const lines = Object.entries(options).flatMap(([option, use]) =>
    use === 'used' ? [] : (use.refused ?? []).map((line) => [line, option] as const),
  )
  test.skipIf(lines.length === 0).each(lines.length === 0 ? [['', '']] : lines)('%s', async (line, option) => {
    const { code, document } = await runHere(line)
    const key = / --set ([\w.]+)/.exec(line)?.[1]
    // Options that stand for a key of the recipe are refused like the key.
    const ofRecipe = key !== undefined || option === '--log-csv'
    expect(document.error?.code).toBe(ofRecipe ? 'CONFIGURATION_INVALID' : 'INVALID_ARGUMENT')
    expect(code).toBe(2)
    const name = inLibrary(option)
    const names = key === undefined ? [option, name, others[option.slice(2)] ?? name] : [key]
    expect(names.some((each) => document.error?.message.includes(each))).toBe(true)
    expect(readdirSync(folder).sort()).toEqual(given)
  })

  const tests = Object.values(options).flatMap((use) => (use === 'used' ? [] : (use.tests ?? [])))
  test.skipIf(tests.length === 0).each(tests.length === 0 ? [['', '']] : tests)('tested in %s: %s', (file, name) => {
    expect(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')).toContain(name)
  })
})
