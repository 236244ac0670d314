import { readFileSync } from 'node:fs'
import { Argument, Command, Option } from 'commander'
import { exitCodes, invalidArgument } from '../core/errors.ts'
import { encodeDefaults } from '../video/encode-defaults.ts'
import { collect, countOf, folds, fraction, positive, rateFactor, refuseBlank, wholeNumber } from './arguments.ts'
import { addCertificateCommands } from './certificate-commands.ts'
import { addCertifyCommands } from './certify-commands.ts'
import { completionScript, shells } from './completion.ts'
import { addFinetuneCommands } from './finetune-commands.ts'
import { addGet } from './get-command.ts'
import { addHelpExamples } from './help-examples.ts'
import { replaceHubNames } from './hub-places.ts'
import { refuseRanks } from './one-process.ts'
import { runCommand } from './run.ts'
import { addWatch } from './watch-command.ts'

/** All commands. Each command's module is loaded only when it runs, so that `--help` is instant. */
export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const program = new Command('videomae')
    .description('Self-supervised video pretraining, fine-tuning, ONNX export and certified robustness to poisoning.')
    .version(version)
    // Lines are broken where the terminal ends, not where the source does.
    .configureHelp({ commandDescription: (command) => command.description().replaceAll('\n', ' ') })
    .showSuggestionAfterError()
    .showHelpAfterError('Add --help for what is possible.')
    .exitOverride()
    .addHelpText('after', `\n${exitCodeHelp()}`)
    .hook('preAction', async (_, command) => {
      refuseBlank(command)
      refuseRanks(command)
      await replaceHubNames(command)
    })
  addInspect(program)
  addDataset(program)
  addGet(program)
  addPrepare(program)
  addPretrain(program)
  addLaunch(program)
  addFinetuneCommands(program)
  addReconstruct(program)
  addExport(program)
  addCertifyCommands(program)
  addCertificateCommands(program)
  addReport(program)
  addWatch(program)
  addDemo(program)
  addDoctor(program)
  addCompletion(program)
  addHelpExamples(program)
  return program
}

function exitCodeHelp(): string {
  const lines = Object.entries(exitCodes).map(([name, code]) => `  ${String(code).padStart(3)}  ${name}`)
  return `Exit codes:\n${lines.join('\n')}`
}

const json = () => new Option('--json', 'print JSON instead of text')
const engine = () =>
  new Option(
    '--engine <name>',
    'training engine, see `videomae doctor`; default: auto, native where it can run, else onnx',
  )
const threads = () =>
  new Option('--threads <n>', 'threads of the engine; default: all cores').argParser(countOf('threads'))
const decoder = () =>
  new Option('--decoder <name>', 'what decodes videos').choices(['node-av', 'ffmpeg']).default('node-av')
const workers = () =>
  new Option('--workers <n>', 'decoding processes; default: one per core').argParser(countOf('workers'))

function addInspect(program: Command): void {
  program
    .command('inspect')
    .summary('what is in a folder of videos, and what cannot be used')
    .description(
      'Lists the videos of folders (with their subfolders) and of lists (CSV, TSV, one path a line): codecs, sizes, frame\n' +
        'rates, durations, how each line and column was read, and every file that cannot be used with the reason.',
    )
    .argument('<sources...>', 'folders, lists or videos')
    .option('--base <folder>', 'where relative paths of a list start from; default: the folder the list lies in')
    .addOption(decoder())
    .addOption(workers())
    .option('--timeout <seconds>', 'processor seconds after which a file counts as unusable', positive, 60)
    .addOption(json())
    .action((sources, options) =>
      runCommand(options, async () => (await import('./inspect.ts')).inspectCommand(sources, options)),
    )
}

/** `officialNames`, written out so that `--help` loads nothing of what reads them. */
const datasets = ['ucf101', 'hmdb51', 'ssv2', 'kinetics', 'split'] as const

function addDataset(program: Command): void {
  program
    .command('dataset')
    .summary('write lists of a data set with its splits')
    .description(
      'Reads the official annotation files of UCF101, HMDB51, Something-Something V2 or Kinetics and writes a list for each\n' +
        'official split, with groups where the data set has them, and the classes in their official order. Says which videos\n' +
        'are missing. Reads no video.\n' +
        'split: divides videos of your own, stratified by class, with groups and copies on one side.',
    )
    .addArgument(new Argument('<name>', 'the data set; split: your own').choices(datasets))
    .argument('<folder>', 'where its videos lie, in any subfolders; split: also a list')
    .option('--annotations <folder>', 'where the annotation files lie; default: the folder of the videos')
    .option('--out <folder>', 'folder of the lists; default: NAME-lists')
    .option('--validation <share>', '[split] share of the videos to choose on; default: 0.1', fraction)
    .option('--test <share>', '[split] share of the videos to test on; default: 0.2', fraction)
    .option('--seed <n>', '[split] seed of the split; default: 0', wholeNumber)
    .option('--folds <k>', '[split] a list for each of k folds instead, or "column": for each fold of the list', folds)
    .option('--groups <pattern>', '[split] groups from names: a regular expression whose first (part) is the group')
    .addOption(json())
    .action((name, folder, options) =>
      runCommand(options, async () => (await import('./dataset.ts')).datasetCommand(name, folder, options)),
    )
}

function addPrepare(program: Command): void {
  program
    .command('prepare')
    .summary('encode videos once, so that training decodes them faster')
    .description(
      'Scales videos down and encodes them as H.264 in short closed groups of pictures without sound. Writes a list of them with\n' +
        'labels, parts, splits and groups of the source, and SHA-256 digests of the originals. Run the same command again to go on\n' +
        'after Ctrl-C or a crash, or when the source has grown.',
    )
    .argument('<source>', 'a folder, a list or a video')
    .argument('<out>', 'folder of the prepared videos')
    .option('--base <folder>', 'where relative paths of a list start from; default: the folder the list lies in')
    .addOption(
      new Option('--size <pixels>', 'shorter side; smaller pictures keep theirs')
        .argParser(countOf('pictureSide', '--size'))
        .default(encodeDefaults.size),
    )
    .addOption(
      new Option('--group <frames>', 'frames of a group of pictures; 1: fastest to decode, largest files')
        .argParser(countOf('pictureGroup', '--group'))
        .default(encodeDefaults.group),
    )
    .addOption(
      new Option('--quality <crf>', 'constant rate factor of x264, from 0 (lossless) to 51')
        .argParser(rateFactor)
        .default(encodeDefaults.quality),
    )
    .option('--fps <rate>', 'constant frame rate; default: all frames at their times', positive)
    .option('--jobs <n>', 'videos encoded at a time; default: one per core', countOf('workers', '--jobs'))
    .option('--shard <i/n>', 'prepare the i-th of n shares, e.g. one on each machine')
    .option(
      '--timeout <seconds>',
      'processor seconds after which a video counts as unusable',
      positive,
      encodeDefaults.timeoutSeconds,
    )
    .option('--dry-run', 'measure time, size and gain on a few videos, and write nothing')
    .addOption(json())
    .option('--quiet', 'no progress')
    .action((source, out, options) =>
      runCommand(options, async () => (await import('./prepare.ts')).prepareCommand(source, out, options)),
    )
}

function addPretrain(program: Command): void {
  program
    .command('pretrain')
    .summary('pretrain a video encoder on unlabeled videos')
    .description(
      'Pretrains VideoMAE on videos: most patches are masked, and the model learns to reconstruct them.\n' +
        'The learning rate is scaled as lr = base_lr * global_batch / 256. Repeated samples of one clip are not counted.\n' +
        'Ctrl-C saves a checkpoint and exits with 130. --resume continues with bit-identical losses.',
    )
    .argument('[data...]', 'folders, lists or videos; default: from the recipe or the resumed run')
    .option(
      '--recipe <name>',
      'a recipe of models/ by name, a YAML file, or config.json of a run; default: laptop-pretrain',
    )
    .option('--set <key=value>', 'override one value of the recipe (repeatable)', collect)
    .option('--out <folder>', 'run folder; default: checkpoints/<recipe>')
    .option('--resume', 'continue the run in --out from its newest complete checkpoint, with its config.json')
    .option('--keep <n>', 'number of checkpoints to keep', countOf('keep'))
    .addOption(engine())
    .addOption(threads())
    .addOption(new Option('--decoder <name>', 'video decoder; default: from the recipe').choices(['node-av', 'ffmpeg']))
    .addOption(workers())
    .option(
      '--timeout <seconds>',
      'CPU seconds after which a file counts as unreadable; default: from the recipe',
      positive,
    )
    .option('--seed <n>', 'seed of weights, order, crops and masks', wholeNumber)
    .option('--print-config', 'print all resolved values and stop')
    .option('--dry-run', 'check everything up to the first step (list, memory, some videos) and stop')
    .option('--page', 'serve a live page on this machine while the run goes on')
    .option('--log-csv', 'write the metrics as a table, too: metrics.csv in the run folder')
    .option('--force', 'start even if the estimated memory exceeds the available memory')
    .addOption(json())
    .option('--quiet', 'no progress')
    .action((data, options) =>
      runCommand(options, async () => (await import('./pretrain.ts')).pretrainCommand({ data, ...options }), 'resume'),
    )
}

function addLaunch(program: Command): void {
  program
    .command('launch')
    .summary('train, evaluate or predict with several processes on this machine')
    .description(
      'Starts a command on several ranks with the MPI of this machine, or, with a GPU for each, with NCCL alone: gradients are\n' +
        'averaged over the ranks, and the steps are those of one process. On several machines the launcher of the cluster does that (mpirun, srun): see docs/cluster.md.',
    )
    .argument(
      '<command...>',
      'behind --: pretrain, finetune, evaluate, predict, features or certify, with its arguments',
    )
    .addOption(new Option('--ranks <n>', 'number of processes').argParser(countOf('ranks')).makeOptionMandatory())
    .option(
      '--mpirun <program>',
      'the program of MPI that starts ranks, or none: NCCL alone; default: the first of mpirun, mpiexec on PATH',
    )
    .option(
      '--restarts <n>',
      'pretrain, finetune: start again with --resume, at most so often, when a rank dies or the machine fails',
      countOf('restarts', '--restarts', 0),
      0,
    )
    .addOption(json())
    .action((args, options) =>
      runCommand(options, async () => (await import('./launch.ts')).launchCommand(args, options)),
    )
}

function addReconstruct(program: Command): void {
  program
    .command('reconstruct')
    .summary('show what a pretrained model makes of hidden patches')
    .description(
      'Writes a picture (PNG) and an animation (WebP): original | masked | prediction. Where the model predicts normalized\n' +
        'patches, these are brought back to pixels with the average mean and std of the visible patches, and shown again\n' +
        'with the true mean and std of each patch, which the model does not know. Visible patches are shown as they are.',
    )
    .argument('<checkpoint>', 'a checkpoint folder, or a run folder (its newest checkpoint)')
    .argument('<video>', 'a video file')
    .option('--mask-ratio <ratio>', 'share of hidden patches; default: as trained, else 0.9', fraction)
    .addOption(
      new Option('--mask <kind>', 'what is hidden; default: as trained, else tube').choices([
        'tube',
        'random',
        'frame',
      ]),
    )
    .option('--stride <n>', 'frames from one frame of the clip to the next; default: as trained', countOf('stride'))
    .option('--out <path>', 'file name without extension', 'reconstruction')
    .option('--seed <n>', 'seed of the mask', wholeNumber, 0)
    .addOption(engine())
    .addOption(decoder())
    .addOption(json())
    .action((checkpoint, video, options) =>
      runCommand(options, async () =>
        (await import('./reconstruct.ts')).reconstructCommand(checkpoint, video, options),
      ),
    )
}

function addExport(program: Command): void {
  program
    .command('export')
    .summary('write the encoder as an ONNX file and check it')
    .description(
      'Writes a standard ONNX file: frames in, tokens and pooled features out, any batch size. Runs it with ONNX Runtime\n' +
        'on a clip and compares it with the training engine; ends with 6 when they differ by more than 1e-4.\n' +
        'With --certified: frames in, the scores and votes of all learners of an ensemble of `certify` out.',
    )
    .argument('<checkpoint>', 'a checkpoint folder, or a run folder (its newest checkpoint)')
    .option(
      '--out <place>',
      'ONNX file or folder; default: encoder.onnx, classifier.onnx, classifier/ or certified.onnx',
    )
    .addOption(
      new Option(
        '--input <kind>',
        'uint8: frames [B,T,H,W,3], normalized inside; float32: pixel_values [B,T,3,H,W]; pooled: features (certified);\n' +
          'default: uint8',
      ).choices(['uint8', 'float32', 'pooled']),
    )
    .option('--check <video>', 'clip to compare on; default: two generated ones')
    .addOption(engine())
    .option('--classifier', 'write the whole classifier of a fine-tuning run, labels and preprocessing inside')
    .option('--certified <place>', 'write the encoder with an ensemble: its file, certificate.json or its folder')
    .addOption(
      new Option('--precision <kind>', 'of a classifier; default: float32').choices([
        'float32',
        'float16',
        'int8',
        'int8-dynamic',
        'int8-static',
      ]),
    )
    .option('--fp16', 'short for --precision float16')
    .option('--int8', 'short for --precision int8-static with --calibrate, int8-dynamic without')
    .option('--calibrate <source>', 'videos on which the bounds of activations are measured, for --int8')
    .option('--calibration-clips <n>', 'how many of them; default: 32', countOf('calibrationClips'))
    .addOption(
      new Option(
        '--format <format>',
        'huggingface: a directory in the layout of Python transformers (classifier)',
      ).choices(['onnx', 'huggingface']),
    )
    .option('--evaluate <source>', 'labeled videos to measure accuracy of file and checkpoint on (classifier)')
    .addOption(json())
    .action((checkpoint, options) =>
      runCommand(options, async () => {
        if (options.certified !== undefined)
          return (await import('./export-certified.ts')).exportCertifiedCommand(checkpoint, options)
        if (options.input === 'pooled')
          throw invalidArgument('--input', 'uint8 or float32 without --certified', 'pooled')
        return options.classifier === true
          ? (await import('./export-classifier.ts')).exportClassifierCommand(checkpoint, options)
          : (await import('./export.ts')).exportCommand(checkpoint, options)
      }),
    )
}

function addReport(program: Command): void {
  program
    .command('report')
    .summary('write a page about a certificate, a classifier or a run')
    .description(
      'Finds out what RUN is and writes one HTML file about it, with everything in it: no network, no scripts. A certificate:\n' +
        'claim, conditions, certified accuracy, classes, weakest inputs, what was left out, how to verify it. A classifier:\n' +
        'accuracy beside baselines, classes, confusions, calibration, most confident mistakes, split. A pretraining run: loss,\n' +
        'reconstructions, speed, files that could not be read, configuration.',
    )
    .argument('<run>', 'certificate.json or its folder, the folder of a run, of a demo, or of `evaluate --out`')
    .option('--out <file>', 'HTML file; default: report.html beside the result')
    .option('--no-pictures', 'leave out frames of videos: wrongly classified clips, reconstructions')
    .addOption(json())
    .action((run, options) =>
      runCommand(options, async () => (await import('./report.ts')).reportCommand(run, options)),
    )
}

function addDemo(program: Command): void {
  program
    .command('demo')
    .summary('the whole job on generated videos, in a few minutes')
    .description(
      'Generates real video files whose motion is their class, pretrains a small model on them, draws reconstructions,\n' +
        'exports the encoder, checks it, and says where everything is.',
    )
    .option('--out <folder>', 'where everything goes', 'demo-output')
    .option('--report', 'also write a page about the run, report.html in --out')
    .option('--clips <n>', 'how many videos are generated', countOf('generatedVideos', '--clips'))
    .option('--steps <n>', 'training steps', countOf('steps'))
    .addOption(engine())
    .addOption(threads())
    .addOption(json())
    .action((options) => runCommand(options, async () => (await import('./demo.ts')).demoCommand(options)))
}

function addDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('what this machine has, what is missing and how to get it')
    .option('--measure', 'time one small training step on every engine, and say which is the fastest')
    .addOption(json())
    .action((options) => runCommand(options, async () => (await import('./doctor.ts')).doctorCommand(options)))
}

function addCompletion(program: Command): void {
  program
    .command('completion')
    .summary('print a script that completes commands, options and values in a shell')
    .description(
      'Prints a script for the shell, made from the commands of this version. Its first lines say how to install it.',
    )
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addOption(json())
    .action((shell, options) =>
      runCommand(options, async () => {
        const script = completionScript(program, shell)
        process.stdout.write(options.json === true ? `${JSON.stringify({ shell, script })}\n` : script)
      }),
    )
}
