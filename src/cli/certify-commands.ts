import { type Command, Option } from 'commander'
import { combinedRules, rules } from '../certify/rules/list.ts'
import { invalidArgument } from '../core/errors.ts'
import { collect, count, fraction, positive, wholeNumber } from './arguments.ts'
import { runCommand } from './run.ts'

/** `learnerKinds`, written out so that `--help` loads nothing of what trains them. */
const learnerNames = ['ridge', 'nearest_mean', 'linear', 'attentive', 'full', 'scratch', 'scratch_augmented']
const sources =
  'a run folder, checkpoint or Hugging Face directory; untrained:CHECKPOINT for the same sizes with fresh\n' +
  'weights; pixels for no encoder'

const labelled = 'a folder per class, or a list with path,label[,group][,split][,time]'

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
    .option('--test <data>', 'videos to predict; default: the test part of DATA')
    .option('--test-share <share>', 'share of DATA to predict where it has no split column', fraction)
    .addOption(
      new Option(
        '--split <rule>',
        'how videos come to their sides: list: as the list says, by hash where it says nothing; folders: by a folder\n' +
          'train, validation or test; hash; default: list for a list, hash for a folder',
      ).choices(['list', 'folders', 'hash']),
    )
    .option(
      '--classes <names>',
      'the classes, separated by commas, or a file with a name in each line (or config.json of a classifier): videos with\n' +
        'other labels are left out; default: any classes',
    )
    .addOption(
      new Option(
        '--by <key>',
        'what decides the bucket of a video; the radius counts these; default: content (periods with rule temporal)',
      ).choices(['content', 'id', 'source']),
    )
    .option('--trusted <data>', "videos out of the attacker's reach that fix the scale of features; no labels needed")
    .option('--clips <n>', 'clips of each training video', count)
    .option('--stride <n>', 'frames between two frames of a clip; default: as the encoder was trained', count)
    .option('--lambda <value>', '[ridge] regularisation', positive)
    .option('--epochs <n>', '[attentive, full, scratch] passes over the videos of a learner', count)
    .option('--learning-rate <value>', '[attentive] peak learning rate', positive)
    .option('--recipe <name>', '[full, scratch] a fine-tuning recipe, by name or as a YAML file')
    .option('--out <folder>', 'where everything goes', out)
    .option('--cache <folder>', 'store of computed features; default: OUT/store')
    .option('--seed <n>', 'seed of the split, the spread and everything drawn', wholeNumber)
    .option(
      '--engine <name>',
      'training engine, see `videomae doctor`; default: auto, native where it can run, else onnx',
    )
    .option('--threads <n>', 'threads of the engine and of learners', count)
    .option('--workers <n>', 'decoding processes', count)
    .addOption(new Option('--decoder <name>', 'what decodes videos').choices(['node-av', 'ffmpeg']))
    .option('--json', 'print JSON instead of text')
    .option('--quiet', 'no progress and no notes')
}

/** Where the encoder comes from: what decides the claim. */
function addProvenance(command: Command): Command {
  return command
    .option('--trained-on <data>', 'data the encoder was trained on, or its training-manifest.json')
    .addOption(
      new Option(
        '--trust <origin>',
        'where the encoder comes from; default: concluded from its training manifest',
      ).choices(['external', 'public', 'protected_set', 'fixed']),
    )
    .option('--labels-used', 'labels of DATA took part in training or choosing the encoder')
}

const spread = () => new Option('--spread <d>', 'spread of Finite Aggregation').argParser(count)

/** The bounds of rule `temporal`. */
function addPeriods(command: Command): Command {
  return command
    .option('--period <length>', '[rule temporal] length of a period: 12h, 7d, 4w, or a number where times are numbers')
    .option('--until <time>', '[rule temporal] the first time after the newest period, e.g. 2024-06-01')
    .option('--coverage <n>', '[rule temporal] periods that each of the K learners is trained on; default: 1', count)
}

const oneLearner = () =>
  new Option(
    '--learner <kind>',
    'base learner: ridge, nearest_mean, linear: heads on pooled features; attentive: on tokens;\n' +
      'full: all weights fine-tuned for each partition; scratch, scratch_augmented: trained from fresh weights',
  )
    .choices(learnerNames)
    .default('ridge')

const severalSeeds = () =>
  new Option('--seeds-per-partition <n>', 'DPA*: learners of one partition, their scores added up').argParser(count)

function addCertify(program: Command): void {
  const command = program
    .command('certify')
    .summary('prove up to how many poisoned training videos each prediction stays')
    .description(
      'Splits the training videos into K partitions by the hash of their content, trains a learner on each, lets them vote\n' +
        'and proves for every prediction a radius: that many videos inserted, deleted or relabelled cannot change it.\n' +
        'Rule temporal: any number of them, all collected in a stretch of that many periods (a list with times).\n' +
        'Writes certificate.json, certified-accuracy.svg, table.md and the buckets. Ends with 6 when the threat does not\n' +
        'hold, for example because the encoder was trained on the videos it should protect.\n' +
        'A killed command goes on where it was. With --votes FILE it certifies the votes or scores of another system.',
    )
    .argument('[data]', labelled)
    .option('--from <encoder>', `${sources}; once for each encoder group`, collect)
    .option('--partitions <list>', 'K, or several separated by commas: 50,100,200', '50')
    .option(
      '--rule <list>',
      `some of ${combinedRules.join(', ')}; groups or temporal alone; default: dpa,roe;\n` +
        'with --votes what the file allows: dpa, or fa with --offsets; for scores also roe, or roe_fa',
    )
    .addOption(
      new Option(
        '--threat <kind>',
        'general: videos inserted and deleted; label_flip: labels only; source: whole sources; temporal: anything in\n' +
          'a stretch of time; default: general (temporal with rule temporal)',
      ).choices(['general', 'label_flip', 'source', 'temporal']),
    )
    .addOption(oneLearner())
    .addOption(severalSeeds())
    .addOption(spread())
    .option('--groups <n>', '[rule groups] encoder groups', count)
    .option(
      '--group-recipe <name>',
      '[rule groups] pretrain an encoder on each group with this recipe, instead of --from',
    )
    .option('--white-box', 'also the tighter label-flip certificate of ridge heads')
    .option('--collective <budgets>', 'also bounds on the whole test set under these budgets, e.g. 1,2,5')
    .option('--no-per-input', 'leave single inputs out of certificate.json')
    .option('--shard <i/n>', 'the i-th of n cluster jobs on one --out; needs --stage')
    .addOption(
      new Option(
        '--stage <what>',
        'features, then learners: what cluster jobs do, before a last run without; groups: write the list of each encoder group',
      ).choices(['groups', 'features', 'learners']),
    )
    .option('--votes <file>', 'votes or scores of another system, npy or CSV, instead of DATA')
    .option(
      '--learners <n>',
      '[votes] learners in the file; needed where names of columns do not say which they are',
      count,
    )
    .option('--label-column <name>', '[votes] column of true classes; default: label, y, target, truth and the like')
    .option('--id-column <name>', '[votes] column of ids; default: id, path, name and the like, else row numbers')
    .addOption(
      new Option(
        '--header <whether>',
        '[votes] whether the first line of a CSV names its columns; default: concluded, refused where it could be both',
      ).choices(['yes', 'no']),
    )
    .option('--first-class <n>', '[votes] 1 where the file counts classes from 1; default: 0', wholeNumber)
    .addOption(new Option('--kind <kind>', '[votes] what the file holds').choices(['votes', 'scores']).default('votes'))
    .option(
      '--offsets <list>',
      '[votes] the learners that bucket 0 reached, e.g. 0,7,19; for rules with a spread (fa, fa_exact, roe_fa)',
    )
  addPeriods(addProvenance(addShared(command, 'checkpoints/certify'))).action((data, options) =>
    runCommand(options, async () => {
      refuseUnused(command, data, options.votes)
      await (await import('./certify.ts')).certifyCommand(data, options)
    }),
  )
}

/** Options that say how a file of votes is read; nothing else uses them. */
const ofVotesOnly = ['votes', 'kind', 'learners', 'labelColumn', 'idColumn', 'header', 'firstClass', 'offsets']
/** Those that `certify --votes` uses besides. */
const ofVotes = new Set([
  ...ofVotesOnly,
  ...['classes', 'rule', 'spread', 'groups', 'coverage', 'seedsPerPartition', 'perInput', 'out', 'json', 'quiet'],
])

/**
 * An option that would be without effect may be one that the user relies on.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` naming it
 */
function refuseUnused(command: Command, data: string | undefined, votes: string | undefined): void {
  if (votes !== undefined && data !== undefined) throw invalidArgument('DATA', 'nothing with --votes', data)
  for (const option of command.options) {
    const name = option.attributeName()
    if (command.getOptionValueSource(name) !== 'cli') continue
    const used = votes === undefined ? !ofVotesOnly.includes(name) : ofVotes.has(name)
    if (used) continue
    const flag = option.long ?? name
    const value = String(command.getOptionValue(name))
    throw votes === undefined
      ? invalidArgument(flag, 'nothing without --votes', value)
      : invalidArgument(
          flag,
          'nothing with --votes',
          value,
          'How the learners were made, and so what one poison is, was decided by the system that made the file.',
        )
  }
}

function addVerify(program: Command): void {
  program
    .command('verify')
    .summary('check a certificate of others from the votes that come with it')
    .description(
      'Recomputes every prediction, radius, summary and bound of a certificate, and its claim, from the files beside it.\n' +
        'Nothing is trained and no video is needed. Ends with 9 and names each value that differs; with 7 when a run has no\n' +
        'votes to verify it from. Says what it did not check.',
    )
    .argument('<certificate>', 'certificate.json, or imported-certificate-RULE.json')
    .option('--json', 'print JSON instead of text')
    .option('--quiet', 'no progress')
    .action((certificate, options) =>
      runCommand(options, async () => (await import('./verify.ts')).verifyCommand(certificate, options)),
    )
}

function addAudit(program: Command): void {
  const command = program
    .command('audit')
    .summary('poison the training set at random and check that the certificates hold')
    .description(
      'Inserts, deletes, edits and relabels training videos at random, trains everything again each time and fails (6)\n' +
        'if a learner changed that should not have, or a certified prediction did. Then attacks single inputs with\n' +
        'radius + 1 poisons, to show how tight the radii are.',
    )
    .argument('<data>', labelled)
    .requiredOption('--from <encoder>', `${sources}; once for each encoder group`, collect)
    .option('--partitions <k>', 'K', count, 50)
    .addOption(new Option('--rule <name>', 'one rule').choices(rules).default('dpa'))
    .option(
      '--groups <n>',
      '[rule groups] encoder groups; the encoders are given, their scales are trained again',
      count,
    )
    .addOption(oneLearner())
    .addOption(severalSeeds())
    .addOption(spread())
    .option('--trials <n>', 'random poisonings', wholeNumber, 200)
    .option('--attacks <n>', 'inputs that are attacked', wholeNumber, 20)
    .option(
      '--list-trials <n>',
      'attacks on rows and files of DATA (new classes, deleted files, other splits, ...), through all that certify does;\n' +
        'default: 20, for learners on tokens or frames 2',
      wholeNumber,
    )
    .option('--budget <n>', 'most poisons in one trial; default: the largest radius', count)
  addPeriods(addShared(command, 'checkpoints/audit')).action((data, options) =>
    runCommand(options, async () => (await import('./audit.ts')).auditCommand(data, options)),
  )
}

function addLethalDose(program: Command): void {
  const command = program
    .command('lethal-dose')
    .summary('how much poison a learner can stand, from its learning curve')
    .description(
      'Measures how many clean videos a learner needs (n), predicts the dose N/n and the median radius at each K from it,\n' +
        'then trains the real partitions and compares. Several --from and learners are compared with each other.\n' +
        'Ends with 6 when the threat does not hold for one of them, as certify does.\n' +
        'Writes lethal-dose.json, lethal-dose.svg and lethal-dose.md.',
    )
    .argument('<data>', labelled)
    .requiredOption('--from <encoder>', `${sources} (repeatable)`, collect)
    .option('--learner <list>', learnerNames.join(', '), 'ridge')
    .option('--partitions <list>', 'the K to sweep', '5,10,20,50')
    .addOption(
      new Option('--threat <kind>', 'what the radii are a promise against, as for certify; default: general').choices([
        'general',
        'label_flip',
        'source',
      ]),
    )
    .option('--subsets <n>', 'random subsets of each size', count, 40)
    .option('--accuracies <list>', 'accuracies of one learner at which n is read off', '0.5,0.6,0.7')
  addProvenance(addShared(command, 'checkpoints/lethal-dose')).action((data, options) =>
    runCommand(options, async () => (await import('./lethal-dose.ts')).lethalDoseCommand(data, options)),
  )
}
