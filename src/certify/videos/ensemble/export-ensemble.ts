/** A certified ensemble as one ONNX file: frames (or pooled features) in, scores and votes of all learners out. */
import { invalidArgument } from '../../../core/errors.ts'
import { packageVersion } from '../../../core/package-version.ts'
import { RandomStream } from '../../../core/random.ts'
import { lowerProgram } from '../../../engine/onnx/lowering/lower-program.ts'
import type { ExportInput } from '../../../export/check.ts'
import { encoderMetadata, exportMismatch, renamedInput, writeDescribedModel } from '../../../export/encoder.ts'
import { type OnnxSidecar, requireExportTarget } from '../../../export/sidecar.ts'
import { exportNames } from '../../../export/tensors.ts'
import type { OnnxModel } from '../../../format/onnx.ts'
import { featureProgram, type TokenSource } from '../../../inference/encoder-source.ts'
import { classifierKeys } from '../../../inference/onnx-classifier.ts'
import { buildEncodeProgram, buildPatchProgram } from '../../../model/encode-program.ts'
import { renderMotionClip } from '../../../synthetic/motion.ts'
import type { TrainedHeads } from '../../ensemble/heads/head.ts'
import type { FeatureSource } from '../feature-source.ts'
import type { FeatureScale } from '../scale.ts'
import { readoutOf } from '../video-certificate.ts'
import { clipFacts } from './clip-facts.ts'
import type { RowSource } from './clip-rows.ts'
import { compareVotes, learnersOf } from './compare-votes.ts'
import { describeVotes, digestOfEncoders } from './describe-votes.ts'
import { engineFor, openAll, openSources, warningsOf } from './encoders.ts'
import type { StoredEnsemble } from './ensemble-file.ts'
import { joinGraphs } from './join-graphs.ts'
import { locateEnsemble } from './locate.ts'
import { voteNames, votesGraph } from './votes-graph.ts'

/** `uint8`: frames [B, T, H, W, 3]; `float32`: pixel_values [B, T, 3, H, W]; `pooled`: features of the encoder [B, width]. */
export type EnsembleInput = ExportInput | 'pooled'

/** What of a certified ensemble is exported, and where. */
export interface EnsembleExportOptions {
  /** The ONNX file to write. */
  readonly out: string
  /** Default `uint8`. */
  readonly input?: EnsembleInput
  /** Default: the path that `certify` was given; one for each group. Digests must be the recorded ones. */
  readonly encoder?: string | readonly string[]
  /** Clips that are voted on for the check, uint8 [n][T, H, W, 3], those of a video one after the other. Default: those of 8 generated videos. */
  readonly clips?: Uint8Array
  /** Engine to compare with; default: that of the ensemble. */
  readonly compareWith?: string | null
  /** Largest difference of a score that passes, relative to the largest score. Default 1e-4. */
  readonly tolerance?: number
  /** Stops between two clips; nothing is written then. */
  readonly signal?: AbortSignal
}

/** What the export of a certified ensemble wrote and checked. */
export interface EnsembleExport {
  /** What was written: the ONNX file, the file of its weights where there is one, the description. */
  readonly files: readonly string[]
  /** Of the model. */
  readonly bytes: number
  /** What the description says, `NAME.json` next to `NAME.onnx`. */
  readonly sidecar: OnnxSidecar
  /** What the file takes: frames, or features of an encoder. */
  readonly input: EnsembleInput
  /** Of the ensemble, as `certificate.json` names it. */
  readonly digest: string
  /** How the file was compared with the ensemble. */
  readonly check: {
    /** Null without an encoder. */
    readonly engine: string | null
    readonly clips: number
    /** Votes that were compared, and those that differ because their two best scores are closer than the tolerance. */
    readonly votes: number
    readonly differentVotes: number
    /** Largest difference of a score, relative to the largest score. */
    readonly largestDifference: number
  }
  /** What a user should know, one sentence each. */
  readonly warnings: readonly string[]
  /** Keys and values in the ONNX file. */
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * Writes an ensemble with its encoder, or those of all groups, as one ONNX file (opset 17, standard operators, any batch size): `scores` float32
 * [batch, learners, classes] and `votes` int64 [batch, learners], the number of classes where a learner abstains. The written file
 * is run, and its votes are compared with those of this program. Only then does it take its place, with its description next to it.
 *
 * The rules are not in the file: they count the votes, and `certifyBallots` or `certify --votes` does that.
 *
 * @param where an ensemble file, `certificate.json`, or the folder of a certification with one ensemble
 * @throws VideoMaeError `OUTPUT_TAKEN` where `out` or the description would replace a file of another kind; `EXPORT_MISMATCH` (exit `checkFailed`); `INVALID_ARGUMENT` for encoder groups that read different clips, frames without an
 *   encoder, or bytes that are no whole clips; as `openCertifiedEnsemble`; the signal's reason when aborted
 */
export async function exportEnsemble(where: string, options: EnsembleExportOptions): Promise<EnsembleExport> {
  await requireExportTarget(options.out)
  const { out, input = 'uint8', tolerance = 1e-4, compareWith = null, encoder } = options
  const stored = await locateEnsemble(where)
  const { features } = stored.description
  if (features.encoders.length > 1 && input === 'pooled')
    throw invalidArgument('input', '"uint8" or "float32" with the encoders of groups', input)
  const sources = await openSources(stored, { encoder })
  requireSameClips(sources)
  const { engine, warnings } = await engineFor(features.engine, compareWith)
  const metadata = await metadataOf(sources[0], stored, input)
  const model = modelOf(sources, stored, input, metadata)
  const rows = await openAll(sources, stored.description, { engine })
  try {
    const clips = clipsOf(rows[0], options.clips, features.testClips ?? 1)
    const description = describeVotes(sources[0], stored, input, model)
    const { checked, ...files } = await writeDescribedModel(out, model, description, async (written) => {
      const comparison = { source: sources[0], rows, stored, clips, tolerance }
      const found = await compareVotes(written, input, comparison, options.signal)
      const { largestDifference, wrongVotes } = found
      if (largestDifference <= tolerance && wrongVotes === 0) return found
      throw exportMismatch(
        `Expected the scores of ${out} to agree with the ensemble within ${tolerance} and its votes to be the same, but the largest difference is ${largestDifference.toExponential(2)}, and ${wrongVotes} votes differ.`,
      )
    })
    const { wrongVotes: _, ...check } = checked
    return {
      ...{ ...files, input, digest: stored.digest, metadata },
      check: { engine, clips: clips.length * (features.testClips ?? 1), ...check },
      warnings: [...sources.flatMap(warningsOf), ...warnings],
    }
  } finally {
    for (const encoder of rows) await encoder.close()
  }
}

async function metadataOf(
  source: FeatureSource,
  { description, digest }: StoredEnsemble & { readonly digest: string },
  input: EnsembleInput,
): Promise<Record<string, string>> {
  const [encoder] = description.features.encoders
  const ofEncoders = digestOfEncoders(description)
  const ofClips =
    input === 'pooled' || source.kind === 'pixels' || source.kind === 'patches'
      ? { 'videomae.version': packageVersion(), 'videomae.input': input }
      : await encoderMetadata(source.name, source.source.configuration, input, ofEncoders, encoder.sampling)
  return {
    ...ofClips,
    [classifierKeys.task]: 'certified-votes',
    [classifierKeys.labels]: JSON.stringify(description.classNames),
    'videomae.ensemble': JSON.stringify(description),
    'videomae.ensemble_digest': digest,
  }
}

function modelOf(
  sources: readonly FeatureSource[],
  { heads, scales, description }: StoredEnsemble,
  input: EnsembleInput,
  metadata: Readonly<Record<string, string>>,
): OnnxModel {
  const size = heads.learners / sources.length
  const models = sources.map((source, group) =>
    modelOfEncoder(source, learnersOf(heads, group * size, size), scales?.[group] ?? null, {
      input,
      clips: description.features.testClips ?? 1,
    }),
  )
  const produced = { producerName: 'videomae', producerVersion: packageVersion(), metadata }
  const [first] = models
  const graphs = models.map(({ graph }) => graph)
  return { ...first, ...produced, graph: graphs.length === 1 ? first.graph : joinGraphs(graphs, heads.learners) }
}

/** Frames or features in, scores and votes of the learners on this encoder out. */
function modelOfEncoder(
  source: FeatureSource,
  heads: TrainedHeads,
  scale: FeatureScale | null,
  { input, clips }: { readonly input: EnsembleInput; readonly clips: number },
): OnnxModel {
  // Features are those of a video already: the mean over its clips.
  const votes = votesGraph(heads, scale, voteNames.pooled, input === 'pooled' ? 1 : clips)
  if (input === 'pooled') {
    const inputs = [{ name: voteNames.pooled, type: 'float32' as const, shape: ['batch', heads.width] }]
    return { irVersion: 8, opsets: [{ domain: '', version: 17 }], graph: { name: 'votes', inputs, ...votes } }
  }
  if (source.kind === 'pixels')
    throw invalidArgument('input', '"pooled" for an ensemble without an encoder', input, 'Its features are the pixels.')
  if (source.kind === 'patches' && input !== 'uint8')
    throw invalidArgument('input', '"uint8" or "pooled" for an ensemble on patches', input)
  const encoder = featureModel(source, input)
  const { graph } = encoder
  return {
    ...encoder,
    graph: {
      name: 'votes',
      inputs: graph.inputs,
      outputs: votes.outputs,
      initializers: [...graph.initializers, ...votes.initializers],
      nodes: [...graph.nodes, ...votes.nodes],
    },
  }
}

/**
 * One file has one input: the encoders of all groups have to read the same clips, normalized in the same way.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
function requireSameClips(sources: readonly FeatureSource[]): void {
  const clips = sources.map((source) =>
    JSON.stringify([clipFacts(source), source.kind === 'pixels' ? null : normalizationOf(source.source)]),
  )
  if (clips.every((clip) => clip === clips[0])) return
  throw invalidArgument(
    'certified',
    'encoders that read the same clips',
    `${new Set(clips).size} kinds of clips`,
    'Predict with `videomae predict --certified`, which runs the encoders of all groups.',
  )
}

const normalizationOf = (source: TokenSource): unknown =>
  source.kind === 'pixels' ? null : [source.configuration.mean, source.configuration.std]

/** Frames in, `pooled` out. */
function featureModel(named: Exclude<FeatureSource, { kind: 'pixels' }>, input: ExportInput): OnnxModel {
  const { source } = named
  const readout = readoutOf([named])
  const { state } = featureProgram(source, 'pooled', 1, readout)
  const layout = input === 'uint8' ? 'BTHWC' : 'BTCHW'
  // Two clips, so that the batch cannot be taken for another axis of size 1.
  const whole =
    source.kind === 'pixels'
      ? buildPatchProgram(source.configuration, 2, readout)
      : buildEncodeProgram({
          ...{ configuration: source.configuration, batch: 2, input, layout, readout },
          kind: source.kind === 'classify' ? 'classify' : 'encoder',
        })
  const program = { ...whole, outputs: whole.outputs.filter(({ name }) => name === voteNames.pooled) }
  return lowerProgram(renamedInput(program, exportNames[input]), {
    ...{ standardOnly: true, dynamicBatch: true, embeddedState: state },
  })
}

/**
 * @param perVideo clips of each video
 * @returns the clips of each video, one behind the other
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
function clipsOf({ clip }: RowSource, given: Uint8Array | undefined, perVideo: number): Uint8Array[] {
  const { frames, size } = clip
  const { height, width } = size
  const bytes = frames * height * width * 3 * perVideo
  const videos = given ?? generatedClips(8 * perVideo, { width, height, frames })
  if (videos.length === 0 || videos.length % bytes !== 0)
    throw invalidArgument(
      'clips',
      perVideo === 1
        ? `one or more clips of ${bytes} bytes`
        : `${perVideo} clips of each video, ${bytes} bytes together`,
      `${videos.length} bytes`,
    )
  return Array.from({ length: videos.length / bytes }, (_, n) => videos.subarray(n * bytes, (n + 1) * bytes))
}

function generatedClips(
  count: number,
  size: { readonly width: number; readonly height: number; readonly frames: number },
): Uint8Array {
  const kinds = ['left', 'up', 'clockwise', 'orbit-clockwise'] as const
  return Buffer.concat(
    Array.from({ length: count }, (_, i) => renderMotionClip(kinds[i % 4], new RandomStream('export', i), size)),
  )
}
