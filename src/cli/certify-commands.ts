import { type Command, Option } from 'commander'
import { combinedRules, rules } from '../certify/rules/list.ts'
import { learnerKinds } from '../certify/videos/learners/kinds.ts'
import { unusedArgument } from '../core/errors.ts'
import { readoutSyntax } from '../model/readout-name.ts'
import { collect, countOf, fraction, positive, wholeNumber } from './arguments.ts'
import { addVerify, requirement } from './certificate-commands.ts'
import { runCommand } from './run.ts'

/** `augmentationKinds`, written out so that `--help` loads nothing of what makes them. */
const augmentationNames = ['rotate', 'shear', 'shift', 'color', 'mirror', 'crop', 'time', 'speed']
const sources =
  'a run folder, checkpoint or Hugging Face directory; untrained:CHECKPOINT: the same sizes with fresh weights;\n' +
  'pixels: no encoder'

const labeled = 'a folder per class, or a list with path,label[,group][,split][,time]'

/** Commands about poisoned training data. */
export function addCertifyCommands(program: Command): void {
  addCertify(program)
  addVerify(program)
  addAudit(program)
  addLethalDose(program)
}

/** How videos become features, and features learners; the same for all three commands. */
function addShared(command: Command, out: string): Command {
  return command
    .option('--test <data>', 'videos to predict; default: the test split of DATA')
    .option('--test-share <share>', 'share of DATA to predict if it has no split column', fraction)
    .addOption(
      new Option(
        '--split <rule>',
        'how videos are split into protected and predicted: list: by the split column, by hash if it is empty; folders: by\n' +
          'folders named train, validation or test; hash: by hash; default: list for a list, hash for a folder',
      ).choices(['list', 'folders', 'hash']),
    )
    .option(
      '--classes <names>',
      'the classes, separated by commas, or a file with one name per line (or config.json of a classifier); videos with\n' +
        'other labels are left out; default: any classes',
    )
    .addOption(
      new Option(
        '--by <key>',
        'key that assigns a video to a partition; the radius counts these units; default: content (periods with rule temporal)',
      ).choices(['content', 'id', 'source']),
    )
    .option(
      '--trusted <data>',
      'videos that the attacker cannot change; their features set the scale of all features; no labels needed',
    )
    .option('--clips <n>', 'clips of each training video', countOf('clips'))
    .option(
      '--test-clips <n>',
      'clips of each predicted video, whose features are averaged (default: as --clips)',
      countOf('testClips'),
    )
    .option(
      '--augment <list>',
      `[ridge, nearest_mean, linear] also train on changed clips of each training video: some of\n${augmentationNames.join(', ')}`,
    )
    .option(
      '--stride <n>',
      'frames between two frames of a clip; default: the stride the encoder was trained with',
      countOf('stride'),
    )
    .option(
      '--readout <name>',
      `[ridge, nearest_mean, linear] ${readoutSyntax};\nwith pixels also hog, hog-color; default: mean`,
    )
    .option('--lambda <value>', '[ridge] regularization strength', positive)
    .option('--epochs <n>', '[attentive, full, scratch] epochs of training for each base classifier', countOf('epochs'))
    .option('--learning-rate <value>', '[attentive] peak learning rate', positive)
    .option('--recipe <name>', '[full, scratch] a fine-tuning recipe, by name or as a YAML file')
    .option('--out <folder>', 'output folder', out)
    .option('--cache <folder>', 'folder of cached features; default: OUT/store')
    .option('--seed <n>', 'seed of the split, the spread and all random numbers', wholeNumber)
    .option(
      '--engine <name>',
      'training engine, see `videomae doctor`; default: auto, native where it can run, else onnx',
    )
    .option('--threads <n>', 'threads of the engine and of base classifiers', countOf('threads'))
    .option('--workers <n>', 'decoding processes', countOf('workers'))
    .addOption(new Option('--decoder <name>', 'video decoder').choices(['node-av', 'ffmpeg']))
    .option('--json', 'print JSON instead of text')
    .option('--quiet', 'no progress and no notes')
}

/** Where the encoder comes from: what decides the claim. */
function addProvenance(command: Command): Command {
  return command
    .option('--trained-on <data>', 'data the encoder was trained on, or its training-manifest.json')
    .addOption(
      new Option('--trust <origin>', 'origin of the encoder; default: read from its training manifest').choices([
        'external',
        'public',
        'protected_set',
        'fixed',
      ]),
    )
    .option('--labels-used', 'labels of DATA were used to train or choose the encoder')
}

const spread = () => new Option('--spread <d>', 'spread of Finite Aggregation').argParser(countOf('spread'))

/** The bounds of rule `temporal`. */
function addPeriods(command: Command): Command {
  return command
    .option('--period <length>', '[rule temporal] length of a period: 12h, 7d, 4w, or a number if times are numbers')
    .option('--until <time>', '[rule temporal] the first time after the newest period, e.g. 2024-06-01')
    .option(
      '--coverage <n>',
      '[rule temporal] periods that each of the K base classifiers is trained on; default: 1',
      countOf('coverage'),
    )
}

const oneLearner = () =>
  new Option(
    '--learner <kind>',
    'base classifier: ridge, nearest_mean, linear: a head on pooled features; attentive: a head on tokens;\n' +
      'full: fine-tunes all weights for each partition; scratch, scratch_augmented: trains from fresh weights',
  )
    .choices(learnerKinds)
    .default('ridge')

const severalSeeds = () =>
  new Option('--seeds-per-partition <n>', 'DPA*: base classifiers per partition; their scores are summed').argParser(
    countOf('seedsPerPartition'),
  )

function addCertify(program: Command): void {
  const command = program
    .command('certify')
    .summary('prove how many poisoned training videos cannot change each prediction')
    .description(
      'Splits the training videos into K partitions by the hash of their content and trains a base classifier on each. The\n' +
        'base classifiers vote. For each prediction the command proves a radius: inserting, deleting or relabeling that many\n' +
        'videos cannot change it. With rule temporal, the radius counts periods of time, with any number of videos in them\n' +
        '(DATA is a list with times). Writes certificate.json, certified-accuracy.svg, table.md and the partitions.\n' +
        'Exits with 6 if the claim is not valid, for example because the encoder was trained on the videos it should protect.\n' +
        'Run an interrupted command again to continue. With --votes FILE it certifies the votes or scores of another system.',
    )
    .argument('[data]', labeled)
    .option('--from <encoder>', `${sources}; once for each encoder group`, collect)
    .option('--partitions <list>', 'K, or several separated by commas: 50,100,200', '50')
    .option(
      '--rule <list>',
      `some of ${combinedRules.join(', ')}; groups or temporal alone; default: dpa,roe;\n` +
        'with --votes: dpa, or fa with --offsets; for scores also roe, or roe_fa',
    )
    .addOption(
      new Option(
        '--threat <kind>',
        'what the attacker may do: general: insert and delete videos; label_flip: change labels; source: change whole\n' +
          'sources; temporal: change anything within some periods; default: general (temporal with rule temporal)',
      ).choices(['general', 'label_flip', 'source', 'temporal']),
    )
    .addOption(oneLearner())
    .addOption(severalSeeds())
    .addOption(spread())
    .option('--groups <n>', '[rule groups] encoder groups', countOf('groups'))
    .option(
      '--group-recipe <name>',
      '[rule groups] pretrain an encoder for each group with this recipe instead of naming encoders with --from',
    )
    .option('--white-box', 'also compute the tighter label-flip certificate of ridge heads')
    .option('--collective <budgets>', 'also bounds on the whole test set for these numbers of poisons, e.g. 1,2,5')
    .option(
      '--target <classes>',
      'also say how many poisons it takes to make each of these classes come out, e.g. noFight',
    )
    .option('--no-per-input', 'do not list inputs in certificate.json')
    .option('--report', 'also write a page about the certificate, report.html in --out; with --votes one for each rule')
    .addOption(requirement())
    .option('--plan', 'print what would be trained, its time, memory, files and largest radius, and stop')
    .option('--lethal-dose <file>', '[plan] lethal-dose.json of trusted data: propose K, rule and spread from it')
    .option('--shard <i/n>', 'run the i-th of n cluster jobs that share one --out; needs --stage')
    .addOption(
      new Option(
        '--stage <what>',
        'part to run and stop: features, then learners, in cluster jobs, before a final run without --stage; groups: write the\n' +
          'list of each encoder group',
      ).choices(['groups', 'features', 'learners']),
    )
    .option('--votes <file>', 'votes or scores of another system, npy or CSV, instead of DATA')
    .option(
      '--learners <n>',
      '[votes] base classifiers in the file; required if the column names do not identify them',
      countOf('learners'),
    )
    .option('--label-column <name>', '[votes] column of true classes; default: label, y, target, truth and the like')
    .option('--id-column <name>', '[votes] column of ids; default: id, path, name and the like, else row numbers')
    .addOption(
      new Option(
        '--header <whether>',
        '[votes] whether the first line of a CSV is a header; default: detected; refused if it is unclear',
      ).choices(['yes', 'no']),
    )
    .option('--first-class <n>', '[votes] 1 if the file counts classes from 1; default: 0', wholeNumber)
    .addOption(new Option('--kind <kind>', '[votes] content of the file').choices(['votes', 'scores']).default('votes'))
    .option(
      '--offsets <list>',
      '[votes] base classifiers that partition 0 reached, e.g. 0,7,19; for rules with a spread (fa, fa_exact, roe_fa)',
    )
  addPeriods(addProvenance(addShared(command, 'checkpoints/certify'))).action((data, options) =>
    runCommand(options, async () => {
      refuseUnused(command, data, options.votes)
      if (options.stage === 'groups') refuseBesideLists(command)
      await (await import('./certify.ts')).certifyCommand(data, options)
    }),
  )
}

/** Options that say how a file of votes is read; nothing else uses them. */
const ofVotesOnly = ['votes', 'kind', 'learners', 'labelColumn', 'idColumn', 'header', 'firstClass', 'offsets']
/** Those that `certify --votes` uses besides. */
const ofVotes = new Set([
  ...ofVotesOnly,
  ...[
    'classes',
    'rule',
    'spread',
    'groups',
    'coverage',
    'seedsPerPartition',
    'perInput',
    'require',
    'target',
    'collective',
  ],
  ...['out', 'json', 'quiet', 'report'],
])

/**
 * What decides the lists of encoder groups (`--stage groups`). Everything else is about what is certified with their encoders
 * later.
 */
const ofGroupLists = new Set([
  ...['stage', 'groups', 'rule', 'threat', 'learner', 'by', 'classes', 'test', 'testShare', 'split', 'seed', 'trusted'],
  ...['labelsUsed', 'out', 'json', 'quiet'],
])

/** @throws VideoMaeError `INVALID_ARGUMENT` naming an option that the lists do not depend on */
function refuseBesideLists(command: Command): void {
  const unused = command.options.find(
    (option) =>
      command.getOptionValueSource(option.attributeName()) === 'cli' && !ofGroupLists.has(option.attributeName()),
  )
  if (unused === undefined) return
  throw unusedArgument(
    unused.long ?? unused.attributeName(),
    'with --stage groups, which only writes lists of videos',
    String(command.getOptionValue(unused.attributeName())),
    'Give it to the `certify` that names the encoders of the groups.',
  )
}

/**
 * An option that would be without effect may be one that the user relies on.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` naming it
 */
function refuseUnused(command: Command, data: string | undefined, votes: string | undefined): void {
  if (votes !== undefined && data !== undefined) throw unusedArgument('DATA', 'with --votes', data)
  for (const option of command.options) {
    const name = option.attributeName()
    if (command.getOptionValueSource(name) !== 'cli') continue
    const used = votes === undefined ? !ofVotesOnly.includes(name) : ofVotes.has(name)
    if (used) continue
    const flag = option.long ?? name
    const value = String(command.getOptionValue(name))
    throw votes === undefined
      ? unusedArgument(flag, 'without --votes', value)
      : unusedArgument(
          flag,
          'with --votes',
          value,
          'How the learners were made, and so what one poison is, was decided by the system that made the file.',
        )
  }
}

function addAudit(program: Command): void {
  const command = program
    .command('audit')
    .summary('poison the training set at random and check the certificates')
    .description(
      'Inserts, deletes, edits and relabels training videos at random and trains everything again each time. Exits with 6\n' +
        'if a certified prediction changed, or a base classifier changed that should not have. Then attacks single inputs\n' +
        'with radius + 1 poisoned samples to show how tight the radii are.',
    )
    .argument('<data>', labeled)
    .requiredOption('--from <encoder>', `${sources}; once for each encoder group`, collect)
    .option('--partitions <k>', 'K', countOf('partitions'), 50)
    .addOption(new Option('--rule <name>', 'one rule').choices(rules).default('dpa'))
    .option(
      '--groups <n>',
      '[rule groups] encoder groups; encoders are not trained again, the scales of their features are',
      countOf('groups'),
    )
    .addOption(oneLearner())
    .addOption(severalSeeds())
    .addOption(spread())
    .option('--trials <n>', 'number of random poisonings', countOf('trials', '--trials', 0), 200)
    .option('--attacks <n>', 'number of inputs to attack', countOf('attacks', '--attacks', 0), 20)
    .option(
      '--list-trials <n>',
      'number of attacks on rows and files of DATA (new classes, deleted files, other splits, ...); each runs everything\n' +
        'that certify does; default: 20, or 2 for base classifiers on tokens or frames',
      countOf('listTrials', '--list-trials', 0),
    )
    .option(
      '--white-box',
      'also flip labels in the rows of a list against the white-box certificate of ridge heads (rule dpa)',
    )
    .option(
      '--budget <n>',
      'maximum number of poisoned samples in one trial; default: the largest radius',
      countOf('budget'),
    )
  addPeriods(addShared(command, 'checkpoints/audit')).action((data, options) =>
    runCommand(options, async () => (await import('./audit.ts')).auditCommand(data, options)),
  )
}

function addLethalDose(program: Command): void {
  const command = program
    .command('lethal-dose')
    .summary('predict from learning curves how much poison an ensemble tolerates')
    .description(
      'Measures how many clean videos (n) a base classifier needs. Predicts the dose N/n and the median radius at each K,\n' +
        'then trains the real partitions and compares. Name several --from and --learner to compare them with each other.\n' +
        'Exits with 6 if the claim is not valid for one of them, as certify does.\n' +
        'Writes lethal-dose.json, lethal-dose.svg and lethal-dose.md.',
    )
    .argument('<data>', labeled)
    .requiredOption('--from <encoder>', `${sources} (repeatable)`, collect)
    .option('--learner <list>', learnerKinds.join(', '), 'ridge')
    .option('--partitions <list>', 'values of K to sweep', '5,10,20,50')
    .addOption(
      new Option('--threat <kind>', 'what the attacker may do, as for certify; default: general').choices([
        'general',
        'label_flip',
        'source',
      ]),
    )
    .option('--subsets <n>', 'number of random subsets of each size', countOf('subsets'), 40)
    .option('--accuracies <list>', 'accuracies of one base classifier at which n is measured', '0.5,0.6,0.7')
  addProvenance(addShared(command, 'checkpoints/lethal-dose')).action((data, options) =>
    runCommand(options, async () => (await import('./lethal-dose.ts')).lethalDoseCommand(data, options)),
  )
}
