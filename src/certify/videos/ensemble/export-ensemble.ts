/** A certified ensemble as one ONNX file: frames (or pooled features) in, scores and votes of all learners out. */
import { invalidArgument } from '../../../core/errors.ts'
import { packageVersion } from '../../../core/package-version.ts'
import { RandomStream } from '../../../core/random.ts'
import { lowerProgram } from '../../../engine/onnx/lowering/lower-program.ts'
import { loadRuntime } from '../../../engine/onnx/runtime.ts'
import { clipTensor, type ExportInput } from '../../../export/check.ts'
import { describe, exportMismatch, renamedInput, writeDescribedModel } from '../../../export/encoder.ts'
import { type OnnxSidecar, requireExportTarget } from '../../../export/sidecar.ts'
import { exportNames } from '../../../export/tensors.ts'
import type { OnnxModel } from '../../../format/onnx.ts'
import { featureProgram, type PatchSource } from '../../../inference/encoder-source.ts'
import { classifierKeys } from '../../../inference/onnx-classifier.ts'
import { buildEncodeProgram, buildPatchProgram } from '../../../model/encode-program.ts'
import { renderMotionClip } from '../../../synthetic/motion.ts'
import { unitRows } from '../../ensemble/feature-set.ts'
import { voteLearners } from '../../ensemble/heads/train.ts'
import type { FeatureSource } from '../feature-source.ts'
import { readoutOf } from '../video-certificate.ts'
import type { RowSource } from './clip-rows.ts'
import { describeVotes } from './describe-votes.ts'
import { engineFor, openAll, openSources, warningsOf } from './encoders.ts'
import type { StoredEnsemble } from './ensemble-file.ts'
import { locateEnsemble } from './locate.ts'
import { testSets } from './votes.ts'
import { voteNames, votesGraph } from './votes-graph.ts'

/** `uint8`: frames [B, T, H, W, 3]; `float32`: pixel_values [B, T, 3, H, W]; `pooled`: features of the encoder [B, width]. */
export type EnsembleInput = ExportInput | 'pooled'

export interface EnsembleExportOptions {
  /** The ONNX file to write. */
  readonly out: string
  /** Default `uint8`. */
  readonly input?: EnsembleInput
  /** Default: the place that `certify` was given. Its digest must be the recorded one. */
  readonly encoder?: string
  /** Clips that are voted on for the check, uint8 [n][T, H, W, 3]. Default: 8 generated ones. */
  readonly clips?: Uint8Array
  /** Engine to compare with; default: that of the ensemble. */
  readonly compareWith?: string | null
  /** Largest difference of a score that passes, relative to the largest score. Default 1e-4. */
  readonly tolerance?: number
  /** Stops between two clips; nothing is written then. */
  readonly signal?: AbortSignal
}

export interface EnsembleExport {
  /** What was written: the ONNX file, the file of its weights where there is one, the description. */
  readonly files: readonly string[]
  /** Of the model. */
  readonly bytes: number
  /** What the description says, `NAME.json` beside `NAME.onnx`. */
  readonly sidecar: OnnxSidecar
  readonly input: EnsembleInput
  /** Of the ensemble, as `certificate.json` names it. */
  readonly digest: string
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
  readonly warnings: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * Writes an ensemble with its encoder as one ONNX file (opset 17, standard operators, any batch size): `scores` float32
 * [batch, learners, classes] and `votes` int64 [batch, learners], the number of classes where a learner abstains. The written file
 * is run, and its votes are compared with those of this program. Only then does it take its place, with its description beside it.
 *
 * The rules are not in the file: they count the votes, and `certifyBallots` or `certify --votes` does that.
 *
 * @param where an ensemble file, `certificate.json`, or the folder of a certification with one ensemble
 * @throws VideoMaeError `OUTPUT_TAKEN` where `out` or the description would replace a file of another kind; `EXPORT_MISMATCH` (exit `checkFailed`); `INVALID_ARGUMENT` for an ensemble of encoder groups, frames without an
 *   encoder, or bytes that are no whole clips; as `openCertifiedEnsemble`; the signal's reason when aborted
 */
export async function exportEnsemble(where: string, options: EnsembleExportOptions): Promise<EnsembleExport> {
  await requireExportTarget(options.out)
  const { out, input = 'uint8', tolerance = 1e-4, compareWith = null, encoder } = options
  const stored = await locateEnsemble(where)
  const { features } = stored.description
  if (features.encoders.length > 1)
    throw invalidArgument(
      'certified',
      'an ensemble with one encoder',
      `${features.encoders.length} encoders`,
      'Predict with `videomae predict --certified`, which runs the encoders of all groups.',
    )
  const sources = await openSources(stored, { encoder })
  const { engine, warnings } = await engineFor(features.engine, compareWith)
  const metadata = await metadataOf(sources[0], stored, input)
  const model = await modelOf(sources[0], stored, input, metadata)
  const [rows] = await openAll(sources, stored.description, { engine })
  try {
    const clips = clipsOf(rows, options.clips)
    const description = describeVotes(sources[0], stored, input, model)
    const { checked, ...files } = await writeDescribedModel(out, model, description, async (written) => {
      const found = await compare(
        written,
        input,
        { source: sources[0], rows, stored, clips, tolerance },
        options.signal,
      )
      const { largestDifference, wrongVotes } = found
      if (largestDifference <= tolerance && wrongVotes === 0) return found
      throw exportMismatch(
        `Expected the scores of ${out} to agree with the ensemble within ${tolerance} and its votes to be the same, but the largest difference is ${largestDifference.toExponential(2)}, and ${wrongVotes} votes differ.`,
      )
    })
    const { wrongVotes: _, ...check } = checked
    return {
      ...{ ...files, input, digest: stored.digest, metadata },
      check: { engine, clips: clips.length, ...check },
      warnings: [...warningsOf(sources[0]), ...warnings],
    }
  } finally {
    await rows.close()
  }
}

async function metadataOf(
  source: FeatureSource,
  { description, digest }: StoredEnsemble & { readonly digest: string },
  input: EnsembleInput,
): Promise<Record<string, string>> {
  const [encoder] = description.features.encoders
  const ofClips =
    input === 'pooled' || source.kind === 'pixels' || source.kind === 'patches'
      ? { 'videomae.version': packageVersion(), 'videomae.input': input }
      : await describe(source.name, source.source.configuration, input, encoder.digest, encoder.sampling)
  return {
    ...ofClips,
    [classifierKeys.task]: 'certified-votes',
    [classifierKeys.labels]: JSON.stringify(description.classNames),
    'videomae.ensemble': JSON.stringify(description),
    'videomae.ensemble_digest': digest,
  }
}

async function modelOf(
  source: FeatureSource,
  { heads, scales }: StoredEnsemble,
  input: EnsembleInput,
  metadata: Readonly<Record<string, string>>,
): Promise<OnnxModel> {
  const scale = scales === null ? null : scales[0]
  const votes = votesGraph(heads, scale, voteNames.pooled)
  const produced = { producerName: 'videomae', producerVersion: packageVersion(), metadata }
  if (input === 'pooled') {
    const inputs = [{ name: voteNames.pooled, type: 'float32' as const, shape: ['batch', heads.width] }]
    const opsets = [{ domain: '', version: 17 }]
    return { irVersion: 8, opsets, ...produced, graph: { name: 'votes', inputs, ...votes } }
  }
  if (source.kind === 'pixels')
    throw invalidArgument('input', '"pooled" for an ensemble without an encoder', input, 'Its features are the pixels.')
  if (source.kind === 'patches' && input !== 'uint8')
    throw invalidArgument('input', '"uint8" or "pooled" for an ensemble on patches', input)
  const encoder = featureModel(source, input)
  const { graph } = encoder
  return {
    ...encoder,
    ...produced,
    graph: {
      name: 'votes',
      inputs: graph.inputs,
      outputs: votes.outputs,
      initializers: [...graph.initializers, ...votes.initializers],
      nodes: [...graph.nodes, ...votes.nodes],
    },
  }
}

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

/** [T, H, W, C] */
function patchClip({ configuration: { frames, imageSize, channels } }: PatchSource): number[] {
  return [frames, ...imageSize, channels]
}

/** @throws VideoMaeError `INVALID_ARGUMENT` */
function clipsOf({ clip }: RowSource, given: Uint8Array | undefined): Uint8Array[] {
  const { frames, size } = clip
  const { height, width } = size
  if (given === undefined) {
    const kinds = ['left', 'up', 'clockwise', 'orbit-clockwise'] as const
    return Array.from({ length: 8 }, (_, i) =>
      renderMotionClip(kinds[i % 4], new RandomStream('export', i), { width, height, frames }),
    )
  }
  const bytes = frames * height * width * 3
  if (given.length === 0 || given.length % bytes !== 0)
    throw invalidArgument('clips', `one or more clips of ${bytes} bytes`, `${given.length} bytes`)
  return Array.from({ length: given.length / bytes }, (_, n) => given.subarray(n * bytes, (n + 1) * bytes))
}

interface Comparison {
  readonly source: FeatureSource
  readonly rows: RowSource
  readonly stored: StoredEnsemble
  readonly clips: readonly Uint8Array[]
  readonly tolerance: number
}

/** Scores and votes of the written file against those of this program, clip by clip. */
async function compare(
  file: string,
  input: EnsembleInput,
  { source, rows, stored, clips, tolerance }: Comparison,
  signal: AbortSignal | undefined,
) {
  const { heads } = stored
  const { learners, classes } = heads
  const { create, Tensor } = await loadRuntime()
  const session = await create(file)
  let [difference, largest, differentVotes, wrongVotes] = [0, 0, 0, 0]
  try {
    for (const clip of clips) {
      signal?.throwIfAborted()
      const row = await rows.row(clip)
      const [test] = testSets(stored, [[row]])
      const { ranks } = await voteLearners(heads, test, { keep: 'votes', threads: 1 })
      const expected = scoresOf(stored, test.features)
      const { type, data, shape } =
        input === 'pooled' || source.kind === 'pixels'
          ? { type: 'float32' as const, data: row, shape: [1, row.length] }
          : source.kind === 'patches'
            ? { type: 'uint8' as const, data: clip, shape: [1, ...patchClip(source.source)] }
            : clipTensor(source.source.configuration, input, clip)
      const outputs = await session.run({ [session.inputNames[0]]: new Tensor(type, data, shape) })
      const scores = outputs[voteNames.scores].data as Float32Array
      const votes = outputs[voteNames.votes].data as BigInt64Array
      for (const [i, score] of expected.entries()) {
        if (!Number.isFinite(score) && scores[i] === score) continue
        largest = Math.max(largest, Math.abs(score))
        const apart = Math.abs(score - scores[i])
        difference = apart >= 0 ? Math.max(difference, apart) : Number.POSITIVE_INFINITY
      }
      for (let learner = 0; learner < learners; learner++) {
        const [mine, other] = [ranks[learner], Number(votes[learner])]
        if (mine === other) continue
        differentVotes++
        // Only a vote that was a tie up to rounding may be another; a class without samples never is.
        const gap = expected[learner * classes + mine] - expected[learner * classes + other]
        const open = other < classes && heads.knows[learner * classes + other] === 1
        if (!(open && Math.abs(gap) <= tolerance * largest)) wrongVotes++
      }
    }
  } finally {
    await session.release()
  }
  const largestDifference = largest === 0 ? difference : difference / largest
  return { votes: clips.length * learners, differentVotes, wrongVotes, largestDifference }
}

/** [learners * classes] scores in float64. @param features [width] of one input, scaled by trusted videos where there are any */
function scoresOf({ heads }: StoredEnsemble, features: Float32Array): Float64Array {
  const { head, width, weights, learners, classes } = heads
  const x = head.scaling === 'unit' ? unitRows(features, 1, width) : features
  const depth = width + 1
  return Float64Array.from({ length: learners * classes }, (_, row) => {
    let sum = weights[row * depth + width]
    for (let k = 0; k < width; k++) sum += weights[row * depth + k] * x[k]
    return sum
  })
}
