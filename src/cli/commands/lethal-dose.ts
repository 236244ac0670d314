import { doseDefaults } from '../../certify/dose/defaults.ts'
import { learnerKinds } from '../../certify/videos/learners/names.ts'
import { argument, choice, count, mandatory, text, texts, withDefault } from '../options/option.ts'
import { encoderSources, labeledSources, provenanceOptions, studyOptions } from '../options/study.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const lethalDose = defineCommand({
  name: 'lethal-dose',
  summary: 'predict from learning curves how much poison an ensemble tolerates',
  description:
    'Measures how many clean videos (n) a base classifier needs. Predicts the dose N/n and the median radius at each K, ' +
    'then trains the real partitions and compares. Name several --from and --learner to compare them with each other. ' +
    'Exits with 6 if the claim is not valid for one of them, as certify does. ' +
    'Writes lethal-dose.json, lethal-dose.svg and lethal-dose.md.',
  arguments: { data: argument(labeledSources) },
  options: {
    from: mandatory(texts('encoder', `${encoderSources} (repeatable)`)),
    learner: withDefault(
      text('list', `kinds of base classifiers to compare, separated by commas: some of ${learnerKinds.join(', ')}`),
      'ridge',
    ),
    partitions: withDefault(text('list', 'numbers of partitions (K), separated by commas'), '5,10,20,50'),
    threat: choice('kind', 'what the attacker may do, as for certify; default: general', [
      'general',
      'label_flip',
      'source',
    ]),
    subsets: withDefault(count('subsets', 'number of random subsets of each size'), doseDefaults.subsets),
    accuracies: withDefault(
      text('list', 'accuracies of one base classifier at which n is measured, separated by commas'),
      doseDefaults.accuracies.join(','),
    ),
    ...studyOptions('checkpoints/lethal-dose'),
    ...provenanceOptions,
  },
  examples: ['lethal-dose labels.csv --from checkpoints/mine --partitions 5,10,20'],
})

export type LethalDoseCommandOptions = OptionsOf<typeof lethalDose>
