import { argument, text } from '../options/option.ts'
import { outputOptions } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const statement = defineCommand({
  name: 'statement',
  summary: 'write an in-toto statement about a certificate, ready to be signed',
  description:
    'Verifies a certificate and writes statement.json next to it: an in-toto Statement v1 with the SHA-256 of the certificate, ' +
    'of the files that it follows from, of its ensembles and of an audit, and with the claim and its figures. Sign that file. ' +
    '`verify` compares it with the files. Exits with 9 if the certificate does not follow from its files.',
  arguments: { certificate: argument('folder or certificate.json of `certify`') },
  options: {
    audit: text('file', 'audit.json of the same ensemble; default: the one next to the certificate, if any'),
    ...outputOptions,
  },
  examples: ['statement checkpoints/certify'],
})

export type StatementCommandOptions = OptionsOf<typeof statement>
