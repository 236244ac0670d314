import { argument, text } from '../options/option.ts'
import { jsonOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const diff = defineCommand({
  name: 'diff',
  summary: 'compare two certificates, before and after the protected data changed',
  description:
    'Says which protected videos were added, removed, relabeled or edited, how many units of poisoning that is, and which ' +
    'predictions and radii changed. Checks the claim of the first certificate: an input whose radius covers the change ' +
    'must have the same prediction in the second, and a base classifier without a changed video must be the same. ' +
    'Exits with 10 if not: then more changed than the recorded data. Exits with 7 if the claims cannot be compared.',
  arguments: {
    before: argument('folder or certificate.json of the first `certify`'),
    after: argument('folder or certificate.json of the second'),
  },
  options: { csv: text('file', 'also write one line for each run and input'), ...jsonOption },
  examples: ['diff checkpoints/certify-may checkpoints/certify-june --csv changes.csv'],
})

export type DiffCommandOptions = OptionsOf<typeof diff>
