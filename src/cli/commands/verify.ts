import { argument, text } from '../options/option.ts'
import { outputOptions, requireOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const verify = defineCommand({
  name: 'verify',
  summary: 'recompute a certificate from the votes that come with it',
  description:
    'Recomputes every prediction, radius, summary and bound of a certificate, and its claim, from the files next to it. ' +
    'Nothing is trained (but see --retrain) and no video is needed. Exits with 9 and names each value that differs; with 7 if a run has no ' +
    'votes to verify it from. Says what it did not check.',
  arguments: {
    certificate: argument('folder or certificate.json of `certify`, or imported-certificate-RULE.json'),
  },
  options: {
    data: text('data', 'the videos that were certified: their partitions and labels are checked, too; none is decoded'),
    test: text('data', 'with --data: the videos to predict, if they are not a part of DATA'),
    retrain: text('list', 'with --data: base classifiers (heads) to train again and compare byte for byte, e.g. 0,7'),
    from: text('encoder', 'with --retrain: the encoder; default: where `certify` found it'),
    cache: text('folder', 'with --retrain: folder of cached features; default: store next to the certificate'),
    ...requireOption,
    ...outputOptions,
  },
  examples: ['verify checkpoints/certify/certificate.json', "verify certificate.json --require 'certified@5>=0.6'"],
})

export type VerifyCommandOptions = OptionsOf<typeof verify>
