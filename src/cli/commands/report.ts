import { argument, text, unlessNo } from '../options/option.ts'
import { jsonOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const report = defineCommand({
  name: 'report',
  summary: 'write a page about a certificate, a classifier or a run',
  description:
    'Writes one HTML file about RUN that needs no network and no scripts. A certificate: ' +
    'claim, conditions, certified accuracy, classes, weakest inputs, what was left out, how to verify it. A classifier: ' +
    'accuracy and baselines, classes, confusions, calibration, most confident mistakes, split. A pretraining run: loss, ' +
    'reconstructions, speed, files that could not be read, configuration.',
  arguments: {
    run: argument('certificate.json or its folder, the folder of a run, of a demo, or of `evaluate --out`'),
  },
  options: {
    out: text('file', 'HTML file; default: report.html next to the result'),
    pictures: unlessNo('leave out frames of videos: wrongly classified clips, reconstructions'),
    ...jsonOption,
  },
  examples: ['report checkpoints/certify', 'report checkpoints/classifier --out classifier.html'],
})

export type ReportCommandOptions = OptionsOf<typeof report>
