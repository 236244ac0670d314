import { defaultRules, defaultSpreadRules, rules, rulesOfLayout } from '../../certify/rules/names.ts'
import { threats } from '../../certify/threat/names.ts'
import { choice, count, flag, optionalArgument, text, texts, unlessNo, withDefault } from '../options/option.ts'
import { requireOption } from '../options/shared.ts'
import {
  encoderSources,
  ensembleOptions,
  labeledSources,
  periodOptions,
  provenanceOptions,
  studyOptions,
} from '../options/study.ts'
import { votesOptions } from '../options/votes.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const certify = defineCommand({
  name: 'certify',
  summary: 'prove how many poisoned training videos cannot change each prediction',
  description:
    'Splits the training videos into K partitions by the hash of their content and trains a base classifier on each. The ' +
    'base classifiers vote. For each prediction the command proves a radius: inserting, deleting or relabeling that many ' +
    `videos cannot change it. With rule ${rulesOfLayout('periods')}, the radius counts periods of time, with any number of videos in them ` +
    '(DATA is a list with times). Writes certificate.json, certified-accuracy.svg, table.md and the partitions. ' +
    'Exits with 6 if the claim is not valid, for example because the encoder was trained on the videos it should protect. ' +
    'Run an interrupted command again to continue. With --votes FILE it certifies the votes or scores of another system.',
  arguments: { data: optionalArgument(labeledSources) },
  options: {
    from: texts('encoder', `${encoderSources}; once for each encoder group`),
    partitions: withDefault(text('list', 'number of partitions (K), or several separated by commas: 50,100,200'), '50'),
    rule: text(
      'list',
      `aggregation rules, separated by commas: some of ${rules.join(', ')}. ` +
        `${rulesOfLayout('groups')} and ${rulesOfLayout('periods')} only without other rules. ` +
        `Default: ${defaultRules.join(',')}; with --votes and --offsets: ${defaultSpreadRules.join(',')}; ` +
        'for votes without scores only the first of the two',
    ),
    threat: choice(
      'kind',
      'what the attacker may do. general: insert and delete videos; label_flip: change labels; source: change whole ' +
        `sources; temporal: change anything within some periods. Default: general, or temporal with rule ${rulesOfLayout('periods')}`,
      threats,
    ),
    ...ensembleOptions,
    groups: count('groups', `[rule ${rulesOfLayout('groups')}] number of encoder groups; default: one for each --from`),
    groupRecipe: text(
      'name',
      `[rule ${rulesOfLayout('groups')}] pretrain an encoder for each group with this recipe instead of naming encoders with --from`,
    ),
    whiteBox: flag(
      '[threat label_flip, learner ridge] also compute a tighter certificate from the weights of the heads',
    ),
    collective: text(
      'budgets',
      'also compute bounds for the whole test set at these numbers of poisoned samples, e.g. 1,2,5',
    ),
    target: text(
      'classes',
      'classes that an attacker may want, separated by commas, e.g. noFight; also certifies how many poisoned samples are ' +
        'needed before one of them is predicted',
    ),
    perInput: unlessNo('do not list inputs in certificate.json'),
    report: flag('also write a page about the certificate, report.html in --out; with --votes one for each rule'),
    ...requireOption,
    plan: flag('print what would be trained, its time, memory, files and largest radius, and stop'),
    lethalDose: text('file', '[plan] lethal-dose.json of trusted data: propose K, rule and spread from it'),
    shard: text('i/n', 'run the i-th of n cluster jobs that share one --out; needs --stage'),
    stage: choice(
      'what',
      'run only this stage. Cluster jobs run features, then learners; a last run without --stage finishes. groups: only ' +
        'write the list of each encoder group',
      ['groups', 'features', 'learners'],
    ),
    ...votesOptions,
    ...studyOptions('checkpoints/certify'),
    ...provenanceOptions,
    ...periodOptions,
  },
  examples: [
    'certify labels.csv --from checkpoints/mine --partitions 50,100 --rule dpa,roe',
    'certify labels.csv --from checkpoints/mine --threat label_flip --plan',
    'certify labels.csv --from pixels --readout hog --augment rotate,shear,shift',
    'certify --votes votes.csv --classes cat,dog',
    'certify --votes votes.csv --classes cat,dog,fox --target fox',
  ],
})

export type CertifyCommandOptions = OptionsOf<typeof certify>
