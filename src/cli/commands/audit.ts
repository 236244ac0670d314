import { auditDefaults } from '../../certify/audit/defaults.ts'
import { partitionRule, rules, rulesOfLayout } from '../../certify/rules/names.ts'
import { argument, choice, count, flag, mandatory, texts, withDefault } from '../options/option.ts'
import { encoderSources, ensembleOptions, labeledSources, periodOptions, studyOptions } from '../options/study.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const audit = defineCommand({
  name: 'audit',
  summary: 'poison the training set at random and check the certificates',
  description:
    'Inserts, deletes, edits and relabels training videos at random and trains everything again each time. Exits with 6 ' +
    'if a certified prediction changed, or a base classifier changed that should not have. Then attacks single inputs ' +
    'with radius + 1 poisoned samples to show how tight the radii are.',
  arguments: { data: argument(labeledSources) },
  options: {
    from: mandatory(texts('encoder', `${encoderSources}; once for each encoder group`)),
    partitions: withDefault(count('partitions', 'number of partitions', { shown: 'k' }), auditDefaults.partitions),
    rule: withDefault(choice('name', 'aggregation rule', rules), auditDefaults.rule),
    groups: count(
      'groups',
      `[rule ${rulesOfLayout('groups')}] number of encoder groups; default: one for each --from. Each trial computes the scales of ` +
        'the features again, but trains no encoder',
    ),
    ...ensembleOptions,
    trials: withDefault(count('trials', 'number of random poisonings', { least: 0 }), auditDefaults.trials),
    attacks: withDefault(count('attacks', 'number of inputs to attack', { least: 0 }), auditDefaults.attacks),
    listTrials: count(
      'listTrials',
      'number of attacks on rows and files of DATA (new classes, deleted files, other splits, ...); each runs everything ' +
        'that certify does; default: 20, or 2 for base classifiers on tokens or frames',
      { least: 0 },
    ),
    whiteBox: flag(
      `[rule ${partitionRule}, learner ridge] also flip labels in the rows of DATA and compare with the white-box certificate`,
    ),
    budget: count('budget', 'maximum number of poisoned samples in one trial; default: the largest radius'),
    ...studyOptions('checkpoints/audit'),
    ...periodOptions,
  },
  examples: ['audit labels.csv --from checkpoints/mine --partitions 50 --trials 100'],
})

export type AuditCommandOptions = OptionsOf<typeof audit>
