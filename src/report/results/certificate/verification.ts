/** How others check the certificate. */
import { code, digest, isolated, type Part } from '../../page/html.ts'
import type { Block, Section } from '../../page/model.ts'
import type { CertificateFacts, CheckedFile } from './facts.ts'

export function verifySection(facts: CertificateFacts): Section {
  const { source, files, data, provenance, threat } = facts
  const differing = files.filter(({ state }) => state === 'differs')
  const missing = files.filter(({ state, optional }) => state === 'missing' && optional !== true)
  const blocks: Block[] = [
    {
      kind: 'text',
      text: 'This page repeats what the certificate says. The page itself proves nothing. Anyone who has the certificate and the files that it names can recompute every prediction and radius from the votes, without videos and without training:',
    },
    { kind: 'commands', commands: [`videomae verify ${shellWord(source.file)}`] },
    ...(data === undefined
      ? []
      : ([
          {
            kind: 'text',
            text: 'Anyone who has the videos can also check which of them are protected, and every partition:',
          },
          {
            kind: 'commands',
            commands: [
              `videomae verify ${shellWord(source.file)} --data DATA${data.test === null ? '' : ' --test TEST_DATA'}`,
            ],
          },
        ] as const)),
    {
      kind: 'text',
      text: [
        'This does not check the votes themselves: a publisher who invents votes gets a certificate that verifies. ',
        threat === null
          ? 'To check them, train the system that made them again.'
          : 'To check them, train again with the same version, data and options, and compare the SHA-256 of the base classifiers.',
      ],
    },
    ...(differing.length > 0
      ? [
          {
            kind: 'warning',
            text: [
              'These files do not belong to the certificate: ',
              listed(differing),
              '. Do not rely on the numbers on this page.',
            ],
          } as const,
        ]
      : []),
    ...(missing.length > 0
      ? [
          {
            kind: 'warning',
            text: ['Not next to the certificate: ', listed(missing), '. Without them it cannot be verified.'],
          } as const,
        ]
      : []),
  ]
  if (files.length === 0)
    blocks.push({ kind: 'warning', text: 'The certificate names no stored votes, so it cannot be verified.' })
  blocks.push(fileTable(facts))
  if (provenance !== undefined)
    blocks.push({
      kind: 'text',
      text: [
        ...[
          'The certificate was made by videomae ',
          isolated(provenance.version),
          ' with Node.js ',
          isolated(provenance.node),
        ],
        ...[' on ', isolated(provenance.platform)],
        provenance.decoder == null ? '.' : [', decoder ', isolated(provenance.decoder), '.'],
      ],
    })
  return { heading: 'How to verify', blocks }
}

function fileTable({ source, files, threat }: CertificateFacts): Block {
  const states = {
    'as stated': 'there, with this SHA-256',
    differs: 'there, but with other content',
    missing: 'missing',
  }
  const rows: Part[][] = [
    [code(source.file), 'the certificate', digest(source.sha256), 'read for this page'],
    ...files.map(({ file, what, stated, state, optional }) => [
      code(file),
      what,
      digest(stated),
      optional === true && state === 'missing' ? 'missing: verify names what it cannot check' : states[state],
    ]),
    ...(threat === null
      ? []
      : [
          [
            threat.encoder.trust === 'fixed' ? 'features' : 'encoder',
            threat.encoder.trust === 'fixed'
              ? 'how they are computed, without a trained encoder'
              : 'weights and readout',
            digest(threat.encoder.digest),
            threat.encoder.trust === 'fixed' ? 'follows from the options' : 'not published with the certificate',
          ],
        ]),
  ]
  return {
    kind: 'table',
    caption: 'Files of the certificate. Publish them together, in one folder',
    columns: [{ title: 'file' }, { title: 'content' }, { title: 'SHA-256' }, { title: 'when this page was made' }],
    rows,
  }
}

function listed(files: readonly CheckedFile[]): Part {
  return files.map(({ file }, i) => [i === 0 ? '' : ', ', code(file)])
}

/** A file name as a shell takes it. */
function shellWord(name: string): string {
  return /^[\w@%+=:,./-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`
}
