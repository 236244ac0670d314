/** All commands in the order of help, each with what runs it: a module that is loaded only then, so that `--help` is instant. */
import { isGiven } from '../given-options.ts'
import { audit } from './audit.ts'
import { certify } from './certify.ts'
import { completion } from './completion.ts'
import { dataset } from './dataset.ts'
import { type AddCommand, command } from './definition.ts'
import { demo } from './demo.ts'
import { diff } from './diff.ts'
import { doctor } from './doctor.ts'
import { evaluate } from './evaluate.ts'
import { exporting } from './export.ts'
import { features } from './features.ts'
import { finetune } from './finetune.ts'
import { get } from './get.ts'
import { inspect } from './inspect.ts'
import { launch } from './launch.ts'
import { lethalDose } from './lethal-dose.ts'
import { predict } from './predict.ts'
import { prepare } from './prepare.ts'
import { pretrain } from './pretrain.ts'
import { reconstruct } from './reconstruct.ts'
import { report } from './report.ts'
import { statement } from './statement.ts'
import { verify } from './verify.ts'
import { watch } from './watch.ts'

export const commands: readonly AddCommand[] = [
  command(inspect, async ({ sources }, options) => (await import('../inspect.ts')).inspectCommand(sources, options)),
  command(dataset, async ({ name, folder }, options) =>
    (await import('../dataset.ts')).datasetCommand(name, folder, options),
  ),
  command(get, async ({ name, folder }, options) => (await import('../get.ts')).getCommand(name, folder, options)),
  command(prepare, async ({ source, out }, options) =>
    (await import('../prepare.ts')).prepareCommand(source, out, options),
  ),
  command(pretrain, async ({ data }, options) => (await import('../pretrain.ts')).pretrainCommand(data, options)),
  command(launch, async (given, options) => (await import('../launch.ts')).launchCommand(given.command, options)),
  command(finetune, async ({ data }, options) => (await import('../finetune.ts')).finetuneCommand(data, options)),
  command(evaluate, async ({ data }, options) => (await import('../evaluate.ts')).evaluateCommand(data, options)),
  command(predict, async ({ videos }, options, given) => {
    ;(await import('../predict-unused.ts')).refuseUnusedInPredict(given)
    if (options.certified === undefined) return (await import('../predict.ts')).predictCommand(videos, options)
    // The default decoder and number of clips are those of the ensemble.
    const decoder = isGiven(given, 'decoder') ? options.decoder : undefined
    const clips = isGiven(given, 'clips') ? options.clips : undefined
    const { predictCertifiedCommand } = await import('../predict-certified.ts')
    return predictCertifiedCommand(videos, options.certified, { ...options, decoder, clips })
  }),
  command(features, async ({ data }, options) => (await import('../features.ts')).featuresCommand(data, options)),
  command(reconstruct, async ({ checkpoint, video }, options) =>
    (await import('../reconstruct.ts')).reconstructCommand(checkpoint, video, options),
  ),
  command(exporting, async ({ checkpoint }, options) => {
    if (options.certified !== undefined)
      return (await import('../export-certified.ts')).exportCertifiedCommand(checkpoint, options.certified, options)
    return options.classifier === true
      ? (await import('../export-classifier.ts')).exportClassifierCommand(checkpoint, options)
      : (await import('../export.ts')).exportCommand(checkpoint, options)
  }),
  command(certify, async ({ data }, options, given) => {
    ;(await import('../certify-unused.ts')).refuseUnusedInCertify(given, data, options)
    return (await import('../certify.ts')).certifyCommand(data, options)
  }),
  command(verify, async ({ certificate }, options) =>
    (await import('../verify.ts')).verifyCommand(certificate, options),
  ),
  command(audit, async ({ data }, options) => (await import('../audit.ts')).auditCommand(data, options)),
  command(lethalDose, async ({ data }, options) =>
    (await import('../lethal-dose.ts')).lethalDoseCommand(data, options),
  ),
  command(diff, async ({ before, after }, options) => (await import('../diff.ts')).diffCommand(before, after, options)),
  command(statement, async ({ certificate }, options) =>
    (await import('../statement.ts')).statementCommand(certificate, options),
  ),
  command(report, async ({ run }, options) => (await import('../report.ts')).reportCommand(run, options)),
  command(watch, async ({ runs }, options) => (await import('../watch.ts')).watchCommand(runs, options)),
  command(demo, async (_, options) => (await import('../demo.ts')).demoCommand(options)),
  command(doctor, async (_, options) => (await import('../doctor.ts')).doctorCommand(options)),
  command(completion, async ({ shell }, options, given) =>
    (await import('../completion.ts')).completionCommand(shell, options, given),
  ),
]
