/** The encoders of a certified ensemble, and the engine they run on. */
import { invalidArgument, unusedArgument, VideoMaeError } from '../../../core/errors.ts'
import { planFeatureProgram } from '../../../inference/encoder-source.ts'
import { chooseEngine, engineRecord } from '../../../train/engine-choice.ts'
import type { TrainedHeads } from '../../ensemble/heads/head.ts'
import { type FeatureSource, openFeatureSource } from '../feature-source.ts'
import { pixelWidth } from '../pixels.ts'
import { weightsOf } from '../provenance.ts'
import { clipFacts } from './clip-facts.ts'
import { openRowSource, type RowSource, type RowSourceOptions } from './clip-rows.ts'
import type { EnsembleDescription, EnsembleEncoder } from './description.ts'
import type { StoredEnsemble } from './ensemble-file.ts'
import { mismatch } from './mismatch.ts'

/**
 * The encoders, each compared with what was certified.
 *
 * @throws VideoMaeError `ENSEMBLE_MISMATCH`, `INVALID_ARGUMENT` for another number of them, what `openFeatureSource` throws
 */
export async function openSources(
  { description: { features, seed }, heads }: Pick<StoredEnsemble, 'description' | 'heads'>,
  { encoder }: { readonly encoder?: string | readonly string[] },
): Promise<FeatureSource[]> {
  const { encoders } = features
  const names = encoder === undefined ? encoders.map(({ name }) => name) : [encoder].flat()
  if (names.length !== encoders.length)
    throw invalidArgument('encoder', `${encoders.length}, in the order of the groups`, names.length)
  const sources: FeatureSource[] = []
  for (const [e, name] of names.entries())
    sources.push(await openOne(name, encoders[e], heads, { seed, readout: features.readout }))
  return sources
}

async function openOne(
  name: string,
  certified: EnsembleEncoder,
  { width }: TrainedHeads,
  options: { readonly seed: number; readonly readout: string | undefined },
): Promise<FeatureSource> {
  // How clips are sampled is a part of the function only without an encoder.
  const stride = name === 'pixels' ? certified.sampling.stride : undefined
  const source = await openFeatureSource(name, { ...options, stride })
  const digest = weightsOf(source)
  // Of a run it may be an older checkpoint, since the newest one is damaged.
  const hint = [...warningsOf(source), `Name the encoder that was certified: it was ${certified.name}.`].join('\n')
  if (digest !== certified.digest) throw mismatch(`digest of the encoder ${name}`, certified.digest, digest, hint)
  const { size, frames } = clipFacts(source)
  // Before clips of that many frames are decoded.
  const ofFrames = `number of frames of the encoder ${name}`
  if (frames !== certified.frames) throw mismatch(ofFrames, String(certified.frames), String(frames), hint)
  const [wanted, found] = [certified.size, size].map(({ height, width, resize = null }) =>
    JSON.stringify([height, width, resize]),
  )
  if (wanted !== found) throw mismatch(`size of frames of the encoder ${name}`, wanted, found, hint)
  const values = widthOf(source)
  if (values !== width) throw mismatch(`values of heads for the encoder ${name}`, String(width), String(values), hint)
  return source
}

/** Values of the features of one clip. */
function widthOf(source: FeatureSource): number {
  if (source.kind === 'pixels') return pixelWidth(source)
  const readout = source.kind === 'scratch' ? undefined : source.readout
  return planFeatureProgram(source.source, 'pooled', 1, readout).shape.reduce((a, b) => a * b, 1)
}

export function warningsOf(source: FeatureSource): string[] {
  return source.kind === 'encoder' ? source.source.warnings.map((warning) => `${source.name}: ${warning}`) : []
}

/**
 * @param recorded name and variant of the engine that computed the features of the training set; null where none did
 * @throws VideoMaeError `INVALID_ARGUMENT` for an engine where none computes features; `ENGINE_UNAVAILABLE`
 */
export async function engineFor(
  recorded: string | null,
  asked: string | null,
): Promise<{ readonly engine: string | null; readonly warnings: readonly string[] }> {
  if (recorded === null) {
    if (asked !== null) throw unusedArgument('engine', 'with an ensemble on pixels, which uses no engine', asked)
    return { engine: null, warnings: [] }
  }
  const engine = asked ?? recorded.split(' ')[0]
  if (asked === null) await requireEngine(engine)
  const here = await engineRecord(engine)
  const differs = `The ensemble was certified with the engine ${recorded}, but this is ${here}: features differ in their last bits, so a vote that is almost a tie may differ from the certificate.`
  return { engine, warnings: here === recorded ? [] : [differs] }
}

/** @throws VideoMaeError `ENGINE_UNAVAILABLE` with what else may be done here */
async function requireEngine(engine: string): Promise<void> {
  try {
    await chooseEngine(engine)
  } catch (cause) {
    if (!(cause instanceof VideoMaeError) || cause.code !== 'ENGINE_UNAVAILABLE') throw cause
    throw new VideoMaeError(cause.message, {
      code: 'ENGINE_UNAVAILABLE',
      exit: 'environment',
      hint: 'Use another engine (--engine auto) if you accept features that differ in their last bits.',
      cause,
    })
  }
}

export async function openAll(
  sources: readonly FeatureSource[],
  { features }: EnsembleDescription,
  options: RowSourceOptions,
): Promise<RowSource[]> {
  const opened: RowSource[] = []
  try {
    for (const [e, source] of sources.entries()) opened.push(await openRowSource(source, features.encoders[e], options))
    return opened
  } catch (error) {
    for (const encoder of opened) await encoder.close()
    throw error
  }
}
