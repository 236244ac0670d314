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
    'Splits the training videos into K partitions by the hash of their content and trains a base classifier on each. The\n' +
    'base classifiers vote. For each prediction the command proves a radius: inserting, deleting or relabeling that many\n' +
    `videos cannot change it. With rule ${rulesOfLayout('periods')}, the radius counts periods of time, with any number of videos in them\n` +
    '(DATA is a list with times). Writes certificate.json, certified-accuracy.svg, table.md and the partitions.\n' +
    'Exits with 6 if the claim is not valid, for example because the encoder was trained on the videos it should protect.\n' +
    'Run an interrupted command again to continue. With --votes FILE it certifies the votes or scores of another system.',
  arguments: { data: optionalArgument(labeledSources) },
  options: {
    from: texts('encoder', `${encoderSources}; once for each encoder group`),
    partitions: withDefault(text('list', 'K, or several separated by commas: 50,100,200'), '50'),
    rule: text(
      'list',
      `some of ${rules.join(', ')}; ${rulesOfLayout('groups')} or ${rulesOfLayout('periods')} alone;\n` +
        `default: ${defaultRules.join(',')}; with --votes and --offsets: ${defaultSpreadRules.join(',')};\n` +
        'from votes without scores only the first of them',
    ),
    threat: choice(
      'kind',
      'what the attacker may do: general: insert and delete videos; label_flip: change labels; source: change whole\n' +
        `sources; temporal: change anything within some periods; default: general (temporal with rule ${rulesOfLayout('periods')})`,
      threats,
    ),
    ...ensembleOptions,
    groups: count('groups', `[rule ${rulesOfLayout('groups')}] encoder groups`),
    groupRecipe: text(
      'name',
      `[rule ${rulesOfLayout('groups')}] pretrain an encoder for each group with this recipe instead of naming encoders with --from`,
    ),
    whiteBox: flag('also compute the tighter label-flip certificate of ridge heads'),
    collective: text('budgets', 'also bounds on the whole test set for these numbers of poisoned samples, e.g. 1,2,5'),
    target: text(
      'classes',
      'also say how many poisoned samples it takes to make each of these classes come out, e.g. noFight',
    ),
    perInput: unlessNo('do not list inputs in certificate.json'),
    report: flag('also write a page about the certificate, report.html in --out; with --votes one for each rule'),
    ...requireOption,
    plan: flag('print what would be trained, its time, memory, files and largest radius, and stop'),
    lethalDose: text('file', '[plan] lethal-dose.json of trusted data: propose K, rule and spread from it'),
    shard: text('i/n', 'run the i-th of n cluster jobs that share one --out; needs --stage'),
    stage: choice(
      'what',
      'run only this stage: features, then learners, in cluster jobs, then a final run without --stage; groups: write the\n' +
        'list of each encoder group',
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
