import { type Command, Option } from 'commander'
import { invalidArgument, unusedArgument } from '../core/errors.ts'
import { automaticReadout, readoutSyntax } from '../model/readout-name.ts'
import { collect, countOf, folds, fraction, positive, wholeNumber } from './arguments.ts'
import { runCommand } from './run.ts'

const json = () => new Option('--json', 'print JSON instead of text')
const engine = () =>
  new Option('--engine <name>', 'see `videomae doctor`; default: auto, native where it can run, else onnx')
const threads = () =>
  new Option('--threads <n>', 'threads of the engine; default: all cores').argParser(countOf('threads'))
const workers = () =>
  new Option('--workers <n>', 'decoding processes; default: one per core').argParser(countOf('workers'))
const quiet = () => new Option('--quiet', 'no progress')
const decoder = () =>
  new Option('--decoder <name>', 'what decodes videos').choices(['node-av', 'ffmpeg']).default('node-av')
const classifier = () =>
  new Option('--from <place>', 'fine-tuning run, checkpoint, Hugging Face directory or exported .onnx file')

/** Adds `finetune`, `evaluate`, `predict` and `features`. */
export function addFinetuneCommands(program: Command): void {
  addFinetune(program)
  addEvaluate(program)
  addPredict(program)
  addFeatures(program)
}

function addFinetune(program: Command): void {
  program
    .command('finetune')
    .summary('train a classifier on labeled videos')
    .description(
      'Trains a classifier on labeled videos, starting from an encoder. Keeps the checkpoint with the best validation\n' +
        'accuracy and tests it on held-out videos. Videos of one group and copies of one file stay in one split.\n' +
        'Modes: full (all weights), linear, attentive, ridge (a head on features that are computed once).',
    )
    .argument(
      '[data...]',
      'folders per class, or lists: path,label[,start,end][,group][,split]; default: from the recipe or the resumed run',
    )
    .option('--from <place>', 'run folder, checkpoint, Hugging Face directory, or "scratch" for fresh weights')

    .addOption(
      new Option('--mode <mode>', 'what is trained; default: from the recipe, else full').choices([
        'full',
        'linear',
        'attentive',
        'ridge',
      ]),
    )
    .option(
      '--recipe <name>',
      'a recipe by name (finetune-laptop, finetune-k400-b, ...), a YAML file, or config.json of a run',
    )
    .option('--set <key=value>', 'override one value of the recipe (repeatable)', collect)
    .option(
      '--readout <name>',
      `[linear, ridge] ${readoutSyntax}; ${automaticReadout}: chosen on the training videos; default: from the recipe, else ${automaticReadout}`,
    )
    .option('--shots <k>', 'keep only k training videos per class; default: all', countOf('shots'))
    .option(
      '--folds <k>',
      'cross-validation: test every video once, in k folds that keep groups apart, or "column": the folds of the list; keeps no classifier for use',
      folds,
    )
    .option('--repeats <n>', '[folds] divide the videos n times; default: 1', countOf('repeats'))
    .option('--out <folder>', 'run folder; default: checkpoints/finetune-<mode>')
    .option(
      '--resume',
      'continue from the newest complete checkpoint in --out (full) or from its features (other modes)',
    )
    .addOption(engine())
    .addOption(threads())
    .option(
      '--seed <n>',
      'seed of split, weights, order and augmentation; default: from the recipe, else 0',
      wholeNumber,
    )
    .option('--print-config', 'print all values as a recipe and stop')
    .option('--dry-run', 'check everything up to the first step (data, split, memory, some videos) and stop')
    .option('--page', 'serve a live page on this machine while the run goes on')
    .option('--log-csv', '[full] write the metrics as a table, too: metrics.csv in the run folder')
    .option('--force', 'start even if the estimated memory exceeds the available memory')
    .addOption(json())
    .addOption(quiet())
    .action((data, options) =>
      runCommand(options, async () => (await import('./finetune.ts')).finetuneCommand({ data, ...options }), 'resume'),
    )
}

function addEvaluate(program: Command): void {
  program
    .command('evaluate')
    .summary('test a classifier on labeled videos')
    .description(
      'Shows every video in several clips and crops, merges them as the mean of their softmax, and prints top-1, top-5 and\n' +
        'balanced accuracy with 95 % intervals (Wilson for top-1 and top-5, Korn-Graubard for balanced accuracy), a table of\n' +
        'classes and the calibration error. Videos that cannot be read are counted and named. A run folder has the list of\n' +
        'its own split: split.csv.',
    )
    .argument('<data...>', 'folders per class, or lists: path,label[,start,end][,group][,split]')
    .addOption(classifier().makeOptionMandatory())
    .addOption(
      new Option('--split <part>', 'part of a list with a split column; default: test; without a split: all').choices([
        'train',
        'validation',
        'test',
        'all',
      ]),
    )
    .option('--clips <n>', 'temporal views of every video', countOf('clips'), 5)
    .option('--crops <n>', 'spatial views', countOf('crops'), 3)
    .option('--batch <n>', 'clips in one run', countOf('batch'), 4)
    .option('--out <folder>', 'write scores, predictions and the confusion matrix (JSON, SVG, PNG) there')
    .option('--report', 'also write a page about the result, report.html in --out')
    .addOption(engine())
    .addOption(threads())
    .addOption(workers())
    .addOption(decoder())
    .addOption(json())
    .addOption(quiet())
    .action((data, options) =>
      runCommand(options, async () => (await import('./evaluate.ts')).evaluateCommand(data, options)),
    )
}

function addPredict(program: Command): void {
  const command = program
    .command('predict')
    .summary('name what videos show')
    .description(
      'Prints the most probable classes of each video. An exported .onnx file is all that is needed.\n' +
        'With --certified: the class that an ensemble of `certify` votes for, its certified radius and the runner-up. Ends with\n' +
        '8 when the ensemble abstained on a video because its radius is below --require-radius.',
    )
    .argument('<videos...>', 'videos, folders or lists (.csv, .tsv, .txt)')
    .addOption(classifier())
    .option('--certified <place>', 'ensemble file, certificate.json or its folder, instead of --from')
    .option('--encoder <place>', '[certified] the encoder, once for each group; default: as certified', collect)
    .option('--rule <name>', '[certified] the rule, where the ensemble was certified by several')
    .option('--require-radius <r>', '[certified] abstain where the certified radius is below this', wholeNumber)
    .option(
      '--target <classes>',
      '[certified] also say how many poisons it takes to make each of these classes come out',
    )
    .option('--top <n>', 'classes to print', countOf('top'), 5)
    .option(
      '--threshold <p>',
      'none of the classes where the most probable one is below this, between 0 and 1',
      fraction,
    )
    .option('--windows <seconds>', 'a time line: one prediction for each window of this many seconds', positive)
    .option('--csv <file>', 'also write a table, one line for each video or window; "-": print it instead of text')
    .option('--watch', 'go on with videos that come into the folders, until Ctrl-C; with --json a line for each')
    .option('--clips <n>', 'temporal views of every video', countOf('clips'), 1)
    .option('--crops <n>', 'spatial views', countOf('crops'), 1)
    .addOption(engine())
    .addOption(threads())
    .addOption(decoder())
    .addOption(json())
  command.action((videos, options) =>
    runCommand(options, async () => {
      refuseUnused(command)
      if (options.certified === undefined) return (await import('./predict.ts')).predictCommand(videos, options)
      // The default decoder and number of clips are those of the ensemble.
      const decoder = isGiven(command, 'decoder') ? options.decoder : undefined
      const clips = isGiven(command, 'clips') ? options.clips : undefined
      return (await import('./predict-certified.ts')).predictCertifiedCommand(videos, { ...options, decoder, clips })
    }),
  )
}

const isGiven = (command: Command, name: string): boolean => command.getOptionValueSource(name) === 'cli'

/**
 * Options of `predict` that would be without effect, and a classifier or an ensemble that is missing.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
function refuseUnused(command: Command): void {
  const certified = isGiven(command, 'certified')
  if (!certified && !isGiven(command, 'from'))
    throw invalidArgument('--from', 'a classifier, or --certified and an ensemble', undefined)
  const others = certified
    ? ['from', 'top', 'threshold', 'windows', 'csv', 'watch']
    : ['encoder', 'rule', 'requireRadius', 'target']
  const unused = command.options.find(
    (option) => others.includes(option.attributeName()) && isGiven(command, option.attributeName()),
  )
  if (unused === undefined) return
  const value = String(command.getOptionValue(unused.attributeName()))
  throw unusedArgument(unused.long ?? unused.flags, `${certified ? 'with' : 'without'} --certified`, value)
}

function addFeatures(program: Command): void {
  program
    .command('features')
    .summary('write the features of videos as .npy and safetensors')
    .description(
      'Computes the features of every video once (they are kept by content in a store) and writes features.npy,\n' +
        'features.safetensors and index.json. Stopped, it goes on where it was; shards may run side by side, and a last run\n' +
        'without --shard puts them together.',
    )
    .argument('<data...>', 'folders, lists or videos')
    .requiredOption('--from <place>', 'run folder, checkpoint or Hugging Face directory; "pixels" for patches alone')
    .addOption(
      new Option(
        '--kind <kind>',
        'pooled: a readout of the tokens; tokens: all of them; classifier: what a linear head reads',
      )
        .choices(['pooled', 'tokens', 'classifier'])
        .default('pooled'),
    )
    .option('--readout <name>', `[pooled] ${readoutSyntax}`, 'mean')
    .option('--clips <n>', 'temporal views of every video, a row each', countOf('clips'), 1)
    .option('--crops <n>', 'spatial views', countOf('crops'), 1)
    .option('--window-step <n>', 'sliding windows instead: frames from one start to the next', countOf('windowStep'))
    .option('--stride <n>', 'frames from one frame of a clip to the next; default: as trained', countOf('stride'))
    .option('--fps <rate>', 'frames per second of a clip, by time; not together with --stride', positive)
    .option('--shard <i/n>', 'only this part of the videos, e.g. 3/16')
    .option('--out <folder>', 'where the files go', 'features')
    .option('--cache <folder>', 'the store; default: store/ in --out')
    .option('--batch <n>', 'clips in one run', countOf('batch'), 8)
    .addOption(engine())
    .addOption(threads())
    .addOption(workers())
    .addOption(decoder())
    .addOption(json())
    .addOption(quiet())
    .action((data, options) =>
      runCommand(options, async () => (await import('./features.ts')).featuresCommand(data, options)),
    )
}
