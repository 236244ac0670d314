/** Attentive heads on frozen tokens as base classifiers: a learned query reads all tokens of a clip. */

import { headShape, probeProbabilities, probeSettings, trainProbe } from '../../../finetune/probe.ts'
import { type EncoderWeights, featureProgram, planFeatureProgram } from '../../../inference/encoder-source.ts'
import type { FeatureRows } from '../../../inference/feature-rows.ts'
import type { FeatureStore } from '../../../inference/feature-store.ts'
import { buildHeadProgram } from '../../../model/classify.ts'
import { parameterCount } from '../../../model/parameters.ts'
import { chooseEngine } from '../../../train/engine-choice.ts'
import { type MemoryNeed, programsNeed, weightBytes } from '../../../train/memory-need.ts'
import { logarithm } from './frame-trainer.ts'
import type { LearnerTrainer, TrainerContext } from './trainer.ts'
import { addNoise, type Content } from './video-set.ts'

export interface AttentiveOptions {
  /** Default 20. */
  readonly epochs?: number
  /** Peak learning rate. Default 1e-3. */
  readonly learningRate?: number
  readonly engine?: string | null
  /** What else the weights of learners depend on; see `Engine.variant`. */
  readonly engineVariant?: string | null
}

/** Clips of which tokens are in memory at once when learners vote: 128 MiB of them. */
const bytesAtOnce = 128 * 2 ** 20

const headOf = (width: number) => ({
  kind: 'attentive' as const,
  heads: width % 64 === 0 ? width / 64 : 1,
  mlpWidth: 4 * width,
})

/**
 * The memory that learners need side by side: the programs of each, and the tokens of its videos or of the inputs it votes on.
 *
 * @param options `rows`: videos that one learner reads; `tests`: inputs; `atOnce`: learners that train side by side
 * @returns the need, and what each learner is
 */
export function attentiveLearnerNeed(
  source: EncoderWeights,
  options: {
    readonly engine: string
    readonly classes: number
    readonly rows: number
    readonly tests: number
    readonly atOnce: number
  },
): { readonly memory: MemoryNeed; readonly what: string } {
  const { engine, classes, rows, tests, atOnce } = options
  const { shape } = planFeatureProgram(source, 'tokens', 1)
  const [tokens, width] = shape
  const head = headOf(width)
  const { batch } = probeSettings(head, rows, {})
  const sizes = { ...headShape(head, shape), batch, classes }
  const training = buildHeadProgram({ ...sizes, optimizer: { beta2: 0.999 } })
  const testing = buildHeadProgram({ ...sizes, optimizer: null, name: 'probe.test' })
  const rowBytes = 4 * tokens * width
  const { program, available, ...one } = programsNeed({
    ...{ engine, programs: [...training.programs, ...testing.programs], workers: 0 },
    saving: weightBytes(training.parameters),
    data: Math.max(rows * rowBytes, Math.min(bytesAtOnce, tests * rowBytes)),
  })
  const encoder = [...source.state.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
  const parts = {
    state: atOnce * one.state,
    workspace: atOnce * one.workspace,
    saving: atOnce * one.saving,
    data: atOnce * one.data,
    program: program + encoder,
  }
  const total = Object.values(parts).reduce((sum, part) => sum + part, 0)
  const parameters = `${(parameterCount(training.parameters) / 1e6).toFixed(1)} million parameters`
  return {
    memory: { ...parts, total, available },
    what: `an attentive head on ${tokens} tokens of width ${width}; ${parameters}, ${batch} clips per run, about ${rows} ${rows === 1 ? 'video' : 'videos'} each`,
  }
}

/**
 * @param store tokens of all videos, one row of N x D each
 * @param shape [N, D]
 */
export function attentiveTrainer(
  source: EncoderWeights,
  store: FeatureStore,
  shape: readonly number[],
  { epochs = 20, learningRate = 1e-3, engine = null, engineVariant = null }: AttentiveOptions,
): LearnerTrainer {
  const width = shape[1]
  const head = headOf(width)
  const programOf = async ({ sessions }: TrainerContext) => ({
    ...{ head, threads: 1 },
    engine: sessions.engine(await chooseEngine(engine)),
  })
  const rowsOf = async (contents: readonly Content[], labels: readonly number[]): Promise<FeatureRows> => {
    const rows: Float32Array[] = []
    for (const content of contents) {
      const row = await store.read(content.key)
      addNoise(row, content, 1)
      rows.push(row)
    }
    return {
      count: rows.length,
      shape,
      width: store.width,
      labels: Int32Array.from(labels),
      owners: Int32Array.from(rows.keys()),
      videos: contents.map(({ key }, i) => ({ path: key, id: key, label: '', class: labels[i], digest: key })),
      row: (i) => rows[i],
    }
  }
  return {
    description: {
      kind: 'attentive',
      // Sizes alone would let the learners of one encoder pass for those of another.
      encoder: featureProgram(source, 'tokens', 1).digest,
      store: store.id,
      ...{ head, epochs, learningRate, shape, sampling: source.sampling, engine },
      ...(engineVariant === null ? {} : { engineVariant }),
    },
    async train({ contents, labels, classNames }, seed, _folder, context) {
      const { signal } = context
      const program = await programOf(context)
      const options = { ...program, classes: classNames.length, seed, epochs, learningRate, signal }
      return (await trainProbe(await rowsOf(contents, labels), null, options)).state
    },
    async score(state, contents, classNames, context) {
      const program = await programOf(context)
      const classes = classNames.length
      const scores = new Float32Array(contents.length * classes)
      const turn = Math.max(1, Math.floor(bytesAtOnce / (4 * store.width)))
      for (let from = 0; from < contents.length; from += turn) {
        context.signal?.throwIfAborted()
        const part = contents.slice(from, from + turn)
        const rows = await rowsOf(part, new Array<number>(part.length).fill(0))
        const probabilities = await probeProbabilities(rows, state, { ...program, classes })
        for (const [i, mine] of probabilities.entries()) scores.set(mine.map(logarithm), (from + i) * classes)
      }
      return scores
    },
  }
}
