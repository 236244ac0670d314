// What the certification experiments on videos are run with: options, the encoder, base classifiers on it.
import path from 'node:path'
import type { ParseArgsConfig } from 'node:util'
import { votesOfInput } from '../../../src/certify/rules/ballot.ts'
import {
  type CertifyVideosOptions,
  doseLearner,
  headLearners,
  type LearnerOptions,
  planCertification,
  prepareSets,
  startsFresh,
} from '../../../src/certify.ts'
import type { RunInput } from '../../../src/index.ts'
import { beginPretraining, numberOr, pretrainOnce, type SmallModel, smallPretraining } from './study.ts'

/**
 * Options that every experiment has. Lists of K: of heads on pooled features, and of the learners that cost more; `spread` and
 * `trained-spread` are the d of Finite Aggregation for these and those.
 */
export const studyOptions = {
  quick: { type: 'boolean', default: false },
  out: { type: 'string' },
  encoder: { type: 'string' },
  steps: { type: 'string' },
  width: { type: 'string' },
  depth: { type: 'string' },
  resolution: { type: 'string' },
  frames: { type: 'string' },
  partitions: { type: 'string' },
  attentive: { type: 'string' },
  full: { type: 'string' },
  scratch: { type: 'string' },
  epochs: { type: 'string' },
  spread: { type: 'string' },
  'trained-spread': { type: 'string' },
  only: { type: 'string' },
  engine: { type: 'string' },
  threads: { type: 'string', default: '2' },
} as const satisfies ParseArgsConfig['options']

/** The values of `studyOptions`, as `parseArgs` gives them. */
export type StudyValues = { readonly quick: boolean; readonly threads: string } & {
  readonly [name in Exclude<keyof typeof studyOptions, 'quick' | 'threads'>]?: string
}

/** K of a list such as `5,10`; `none` is the empty list. */
export const listOr = (value: string | undefined, usual: string): number[] =>
  (value ?? usual) === 'none' ? [] : (value ?? usual).split(',').map(Number)

/** d of learners that an engine trains one by one, d times as many for Finite Aggregation; `none`: null, without it. */
export const trainedSpread = (value = '2'): number | null => (value === 'none' ? null : Number(value))

/** The folder of the encoder that is named, or of the one that `encoderOf` pretrains. */
export const encoderFolder = ({ encoder }: StudyValues, out: string): string => encoder ?? path.join(out, 'pretrain')

/** On what an encoder is pretrained, and how its clips are cut and masked. */
export type EncoderInput = Pick<RunInput, 'data' | 'clip' | 'mask'>

/**
 * The encoder that is named, or one that is pretrained here.
 *
 * @param learners where all of them take no more than its sizes, or nothing of it, it is not pretrained
 * @returns its folder, and what is known of its training
 */
export async function encoderOf(
  values: StudyValues,
  out: string,
  usual: SmallModel & { readonly steps: number },
  input: EncoderInput,
  learners?: readonly StudyLearner[],
): Promise<{ readonly from: string; readonly story: string }> {
  if (values.encoder !== undefined) return { from: values.encoder, story: `encoder ${values.encoder}` }
  const steps = numberOr(values.steps, usual.steps)
  const model = {
    width: numberOr(values.width, usual.width),
    depth: numberOr(values.depth, usual.depth),
    frames: numberOr(values.frames, usual.frames),
    resolution: numberOr(values.resolution, usual.resolution),
  }
  const batch = 32
  const engine = { name: values.engine ?? null, threads: Number(values.threads) }
  const run = encoderFolder(values, out)
  const pretraining = { ...input, ...smallPretraining(model, { steps, batch, parts: 20, engine }) }
  const fresh = ({ from, learner }: StudyLearner) => from !== run || startsFresh(learner.kind)
  if (learners?.every(fresh)) {
    await beginPretraining(run, pretraining)
    return { from: run, story: `no encoder, models of ${JSON.stringify(model)}` }
  }
  const { curve } = await pretrainOnce(run, pretraining)
  return { from: run, story: `encoder ${JSON.stringify(model)}, pretrained for ${steps} x ${batch} clips: ${curve}` }
}

/** A base classifier of a study. */
export interface StudyLearner {
  readonly name: string
  /** As `--from` takes it. */
  readonly from: string
  readonly learner: LearnerOptions
  /** What a head reads of the tokens; without one as `--from` alone has it. */
  readonly readout?: string
  readonly partitions: readonly number[]
}

/**
 * Learners on one encoder, from those that know nothing to those that know most; the costly ones at a few K.
 *
 * @param options `only`: those whose name has this in it; `readout` of heads
 */
export function learnersOf(
  from: string,
  ks: Readonly<Record<'heads' | 'attentive' | 'full' | 'scratch', readonly number[]>>,
  options: { readonly epochs: number; readonly only?: string; readonly readout?: string },
): StudyLearner[] {
  const { epochs, only = '', readout } = options
  const ridge = (name: string, location: string): StudyLearner => ({
    name,
    from: location,
    learner: { kind: 'ridge' },
    readout,
    partitions: ks.heads,
  })
  const learners: StudyLearner[] = [
    { name: 'from scratch', from, learner: { kind: 'scratch', epochs }, partitions: ks.scratch },
    ridge('pixels, ridge', 'pixels'),
    ridge('random features, ridge', `untrained:${from}`),
    ridge('pretrained, ridge', from),
    { name: 'pretrained, linear', from, learner: { kind: 'linear' }, readout, partitions: ks.heads },
    { name: 'pretrained, attentive', from, learner: { kind: 'attentive' }, partitions: ks.attentive },
    { name: 'pretrained, all weights', from, learner: { kind: 'full', epochs }, partitions: ks.full },
  ]
  const wanted = learners.filter(({ name, partitions }) => partitions.length > 0 && name.includes(only))
  if (wanted.length > 0) return wanted
  const names = learners.map(({ name, partitions }) => `${name} (K = ${partitions.join(', ') || 'none'})`)
  throw new Error(`Expected "${only}" in the name of a learner that has a K: ${names.join('; ')}.`)
}

/** The same learners, those of kind ridge with the lambda of their features. */
export function withLambdas(
  learners: readonly StudyLearner[],
  lambdas: ReadonlyMap<string, number>,
): readonly StudyLearner[] {
  return learners.map((each) =>
    each.learner.kind === 'ridge' ? { ...each, learner: { ...each.learner, lambda: lambdas.get(each.from) } } : each,
  )
}

/**
 * Chooses lambda on trusted videos with labels, never on the protected set: the mean accuracy of 20 ridge heads of `size`
 * random videos each, on the trusted videos that are left out.
 */
export async function chooseLambda(options: CertifyVideosOptions, size: number): Promise<number> {
  const { set, test } = await prepareSets(await planCertification(options), options)
  const drawn = Math.min(size, new Set(set.ids).size)
  let best = { lambda: 0.1, accuracy: -1 }
  for (const lambda of [0.003, 0.03, 0.3, 3, 30]) {
    const learner = doseLearner(set, test, { name: '', learners: headLearners({ kind: 'ridge', lambda }), threads: 1 })
    const ballots = await learner.voteOfSubsets(drawn, 20, 0)
    let right = 0
    for (let t = 0; t < test.rows; t++)
      for (const vote of votesOfInput(ballots, t)) if (vote === test.labels[t]) right++
    const accuracy = right / (20 * test.rows)
    if (accuracy > best.accuracy) best = { lambda, accuracy }
  }
  return best.lambda
}
