import { type Command, Option } from 'commander'
import { collect } from './arguments.ts'
import { runCommand } from './run.ts'

/** Commands about certificates that are there. They need neither data nor encoder. */
export function addCertificateCommands(program: Command): void {
  addDiff(program)
  addStatement(program)
}

function addStatement(program: Command): void {
  program
    .command('statement')
    .summary('write an in-toto statement about a certificate, ready to be signed')
    .description(
      'Verifies a certificate and writes statement.json beside it: an in-toto Statement v1 with the SHA-256 of the certificate,\n' +
        'of the files that it follows from, of its ensembles and of an audit, and with the claim and its figures. Sign that file.\n' +
        '`verify` compares it with the files. Ends with 9 if the certificate does not follow from its files.',
    )
    .argument('<certificate>', 'folder or certificate.json of `certify`')
    .option('--audit <file>', 'audit.json of the same ensemble; default: the one beside the certificate, if any')
    .option('--json', 'print JSON instead of text')
    .option('--quiet', 'no progress')
    .action((certificate, options) =>
      runCommand(options, async () => (await import('./statement.ts')).statementCommand(certificate, options)),
    )
}

function addDiff(program: Command): void {
  program
    .command('diff')
    .summary('compare two certificates, before and after the protected data changed')
    .description(
      'Says which protected videos were added, removed, relabeled or edited, how many units of poisoning that is, and which\n' +
        'predictions and radii changed. Checks the claim of the first certificate: an input whose radius covers the change\n' +
        'must have the same prediction in the second, and a base classifier without a changed video must be the same.\n' +
        'Ends with 10 if not: then the recorded data are not all that changed. Ends with 7 if the claims cannot be compared.',
    )
    .argument('<before>', 'folder or certificate.json of the first `certify`')
    .argument('<after>', 'the same of the second')
    .option('--csv <file>', 'also write one line for each run and input')
    .option('--json', 'print JSON instead of text')
    .action((before, after, options) =>
      runCommand(options, async () => (await import('./diff.ts')).diffCommand(before, after, options)),
    )
}

/** What a run of a certificate has to meet. */
export const requirement = () =>
  new Option(
    '--require <what>',
    'exit with 6 unless one run meets all of these: accuracy>=A, certified@R>=A (share A right and certified for R units),\n' +
      "median-radius>=R, mean-radius>=R; e.g. 'certified@5>=0.6'; repeatable",
  ).argParser(collect)

/** `verify`. */
export function addVerify(program: Command): void {
  program
    .command('verify')
    .summary('check a certificate of others from the votes that come with it')
    .description(
      'Recomputes every prediction, radius, summary and bound of a certificate, and its claim, from the files beside it.\n' +
        'Nothing is trained (but see --retrain) and no video is needed. Ends with 9 and names each value that differs; with 7 when a run has no\n' +
        'votes to verify it from. Says what it did not check.',
    )
    .argument('<certificate>', 'folder or certificate.json of `certify`, or imported-certificate-RULE.json')
    .option(
      '--data <data>',
      'the videos that were certified: their partitions and labels are checked, too; none is decoded',
    )
    .option('--test <data>', 'with --data: the videos to predict, where the certificate has others than a part of DATA')
    .option(
      '--retrain <list>',
      'with --data: numbers of base classifiers (heads), e.g. 0,7, that are trained again and compared byte for byte',
    )
    .option('--from <encoder>', 'with --retrain: the encoder; default: where `certify` found it')
    .option('--cache <folder>', 'with --retrain: folder of cached features; default: store beside the certificate')
    .addOption(requirement())
    .option('--json', 'print JSON instead of text')
    .option('--quiet', 'no progress')
    .action((certificate, options) =>
      runCommand(options, async () => (await import('./verify.ts')).verifyCommand(certificate, options)),
    )
}
