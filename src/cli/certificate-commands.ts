import type { Command } from 'commander'
import { runCommand } from './run.ts'

/** Commands about certificates that are there. They need neither data nor encoder. */
export function addCertificateCommands(program: Command): void {
  addDiff(program)
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
