import {
  type CertifiedClass,
  type CertifiedEnsemble,
  type CertifiedVideo,
  openCertifiedEnsemble,
} from '../certify/videos/ensemble/open-ensemble.ts'
import { exitCodes, VideoMaeError } from '../core/errors.ts'
import { printable } from '../core/printable.ts'
import { ProgressDisplay } from '../train/progress.ts'
import { readingLines, type SourceReading } from '../video/reading.ts'
import type { PredictCommandOptions } from './commands/predict.ts'
import { interruptSignal } from './interrupt.ts'
import { requireOneProcess } from './one-process.ts'
import { targetsOf } from './target-option.ts'

/**
 * `videomae predict --certified`. After printing it ends with `VIDEO_UNREADABLE` (exit 3) when a video could not be read, else with
 * `RADIUS_BELOW_REQUIRED` (exit 8) when the ensemble abstained on one.
 */
export async function predictCertifiedCommand(
  videos: readonly string[],
  certified: string,
  {
    json = false,
    requireRadius,
    target,
    engine,
    encoder,
    rule,
    clips,
    crops,
    threads,
    decoder,
  }: Partial<PredictCommandOptions>,
): Promise<void> {
  requireOneProcess('predict --certified')
  const interrupt = interruptSignal('Run the command again.')
  const display = new ProgressDisplay({ stream: process.stderr })
  let ensemble: CertifiedEnsemble | undefined
  let sources: readonly SourceReading[] = []
  try {
    ensemble = await openCertifiedEnsemble(certified, {
      ...{ encoder, rule, clips, crops, threads, decoder },
      engine: engine ?? null,
    })
    for (const warning of ensemble.warnings) display.note(`warning: ${printable(warning)}`)
    const predictions = await ensemble.predict(videos, {
      requireRadius,
      targetClasses: targetsOf(target),
      signal: interrupt.signal,
      onProgress: display.counter('videos'),
      onSources(read) {
        sources = read
        if (!json) for (const line of read.flatMap(readingLines)) display.note(line)
      },
    })
    display.end()
    const { predict: _, close: __, ...facts } = ensemble
    const document = { ensemble: facts, requireRadius: requireRadius ?? null, predictions }
    if (json) process.stdout.write(`${JSON.stringify(sources.length === 0 ? document : { ...document, sources })}\n`)
    else process.stdout.write(textOf(ensemble, predictions, requireRadius ?? 0))
    endAsPredicted(predictions, requireRadius ?? 0, json)
  } finally {
    display.end()
    await ensemble?.close()
    interrupt.dispose()
  }
}

function endAsPredicted(predictions: readonly CertifiedVideo[], required: number, json: boolean): void {
  const failed = predictions.filter(({ ok }) => !ok).length
  const abstained = predictions.filter((one) => one.ok && one.label === null).length
  if (failed + abstained === 0) return
  // With --json what happened is in what was printed; a second document would not be.
  if (json) process.exitCode = failed > 0 ? exitCodes.data : exitCodes.abstained
  else if (failed > 0)
    throw new VideoMaeError(`${failed} of ${predictions.length} videos could not be read.`, {
      code: 'VIDEO_UNREADABLE',
      exit: 'data',
      hint: 'Each is named above.',
    })
  else
    throw new VideoMaeError(
      `Expected a certified radius of at least ${required}, but that of ${abstained} of ${predictions.length} videos is smaller: the ensemble abstained on them.`,
      { code: 'RADIUS_BELOW_REQUIRED', exit: 'abstained', hint: 'Each is named above.' },
    )
}

function textOf(ensemble: CertifiedEnsemble, predictions: readonly CertifiedVideo[], required: number): string {
  const { rule, partitions, spread, digest, threat } = ensemble
  const d = spread > 1 ? `, d = ${spread}` : ''
  const videos = predictions.map((prediction) => {
    const { start, end } = prediction.part ?? {}
    const part =
      prediction.part === undefined ? '' : ` ${start ?? 0} s to ${end === undefined ? 'the end' : `${end} s`}`
    const line = prediction.ok ? lineOf(prediction, ensemble, required) : `unreadable: ${prediction.reason}`
    return `${printable(prediction.video)}${part}\n  ${printable(line)}\n`
  })
  return (
    `${videos.join('')}\nensemble   ${digest}\nrule       ${rule}, K = ${partitions}${d}\n` +
    `threat     ${threat.threat}; the radius counts training data: one unit is ${printable(threat.unit)}\n` +
    `${printable(threat.claim)}\n${threat.conditions.map((condition) => `  if ${printable(condition)}\n`).join('')}`
  )
}

function lineOf(prediction: CertifiedClass, { learners }: CertifiedEnsemble, required: number): string {
  const { label, radius, votes, runnerUp, earliness, labelRadius, exact, targets = [] } = prediction
  const also = [
    ...(earliness === undefined ? [] : [`earliness ${earliness}`]),
    ...(labelRadius === undefined ? [] : [`${labelRadius} changed labels`]),
    ...(exact === false ? ['a lower bound'] : []),
  ]
  const certified = `radius ${radius}${also.length === 0 ? '' : ` (${also.join(', ')})`}`
  const next = runnerUp === null ? 'no other class has votes' : `next ${runnerUp.label}, ${runnerUp.votes}`
  const costs = targets.map(({ label: name, poisons }) =>
    poisons === null
      ? `; ${name} with no number of poisoned samples`
      : `; ${name} needs ${poisons} poisoned ${poisons === 1 ? 'sample' : 'samples'}`,
  )
  const rest = `${certified}; ${votes} of ${learners} votes; ${next}${costs.join('')}`
  return label === null ? `abstained (below ${required}): ${rest}` : `${label}  ${rest}`
}
