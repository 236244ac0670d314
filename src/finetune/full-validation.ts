/** The validation passes of a run that trains all weights: when they come, and what is kept of them. */
import { VideoMaeError } from '../core/errors.ts'
import type { LabeledVideo } from '../dataset/dataset.ts'
import type { Ranks } from '../distributed/ranks.ts'
import { runClips } from '../engine/run-clips.ts'
import type { Classifier } from '../inference/classifier.ts'
import type { ClipClassifier } from '../inference/predict-videos.ts'
import { frameSize } from '../model/configuration.ts'
import type { ModelState } from '../model/model-state.ts'
import { stateNames } from '../model/training-programs.ts'
import type { OpenedTraining, RunOptions, ShowScalars } from '../train/training-run.ts'
import type { IdleProcesses } from '../video/idle-processes.ts'
import type { FinetuneConfiguration } from './configuration.ts'
import { BestCheckpoint, type ValidationLine } from './validation.ts'
import { ValidationVideos } from './validation-videos.ts'

interface FullValidationPlan {
  /** Optimizer steps of the run. */
  readonly steps: number
  /** Steps from one pass to the next. */
  readonly every: number
  /** The classifier that is trained, without its weights. */
  readonly classifier: Omit<Classifier, 'state'>
  /** Clips that the engine takes at once. */
  readonly batch: number
  /** Whether averages of the weights are validated and kept, instead of the weights. */
  readonly averaged: boolean
  /** Without any, the last weights are kept. */
  readonly videos: readonly LabeledVideo[]
  readonly data: FinetuneConfiguration['data']
  /** Writes what else is next to the weights that are kept. */
  readonly accompany: (folder: string) => Promise<void>
}

interface FullValidationOptions extends Pick<RunOptions, 'out' | 'signal' | 'onNote'> {
  readonly ranks: Ranks
  readonly processes?: IdleProcesses
}

/** Validates while a run trains, and keeps the weights that are best. Rank 0 of several writes. */
export class FullValidation {
  readonly #plan: FullValidationPlan
  readonly #options: FullValidationOptions
  readonly #best: BestCheckpoint
  readonly #videos: ValidationVideos
  #missed = false

  constructor(plan: FullValidationPlan, options: FullValidationOptions) {
    const { ranks, processes, signal, onNote } = options
    this.#plan = plan
    this.#options = options
    this.#best = new BestCheckpoint(options.out, plan.accompany)
    this.#videos = new ValidationVideos({ videos: plan.videos, data: plan.data, ranks, processes, signal, onNote })
  }

  /** Whether a pass has to be made up for before the next step. Known on rank 0, behind `rewind`. */
  get missed(): boolean {
    return this.#missed
  }

  /** The pass whose weights are kept. */
  get best(): ValidationLine | null {
    return this.#best.best
  }

  /** Validation videos that could not be read: reasons by id. */
  get unreadable(): ReadonlyMap<string, string> {
    return this.#videos.unreadable
  }

  /** Goes back to what was known after `done` steps. Of rank 0. */
  async rewind(done: number): Promise<void> {
    const { lost } = await this.#best.rewind(done)
    if (lost) this.#options.onNote?.(`warning: ${lostBest(done)}`)
    // A run that was stopped in a validation pass has saved the step before it: the pass comes now.
    this.#missed = done > 0 && this.#validatesAfter(done) && !this.#best.has(done)
  }

  /** Makes up for the pass that a stop broke off. Collective. */
  async makeUp(done: number, opened: OpenedTraining, show: ShowScalars): Promise<void> {
    if (await this.#options.ranks.fromFirst(this.#missed)) await this.#validate(done, opened, show)
  }

  /** Validates where a pass is due; keeps the last weights where there is nothing to choose them by. Collective. */
  async afterStep(step: number, opened: OpenedTraining, show: ShowScalars): Promise<void> {
    if (this.#validatesAfter(step)) return this.#validate(step, opened, show)
    if (step !== this.#plan.steps) return
    const { ranks } = this.#options
    await ranks.agree(async () => {
      if (ranks.rank === 0) await this.#best.save(await this.#chosen(opened), { step })
    })
  }

  /**
   * Call behind the last step. Collective.
   *
   * @throws VideoMaeError `INTERRUPTED` where the last pass was broken off
   */
  async finish(): Promise<void> {
    const { ranks, signal } = this.#options
    const { steps } = this.#plan
    const validated = await ranks.fromFirst(this.#best.has(steps))
    if (this.#validatesAfter(steps) && !validated) throw ranks.commonly(stoppedInLastPass(steps, signal?.reason))
    if (ranks.rank === 0) await this.#best.finish()
  }

  #validatesAfter(step: number): boolean {
    const { videos, every, steps } = this.#plan
    return videos.length > 0 && (step % every === 0 || step === steps)
  }

  /** A validation pass, unless a signal breaks it off; the run makes up for it when it continues. Collective. */
  async #validate(step: number, opened: OpenedTraining, show: ShowScalars): Promise<void> {
    const { ranks, onNote } = this.#options
    const { averaged, classifier, batch } = this.#plan
    const program = averaged ? 'validate.ema' : 'validate'
    const scores = await this.#videos.validate(classifierIn(opened, program, classifier, batch))
    if (scores === null) return
    await ranks.agree(async () => {
      if (ranks.rank > 0) return
      const accuracy = (100 * scores.accuracy).toFixed(1)
      onNote?.(`validation after step ${step}: accuracy ${accuracy} %, loss ${scores.loss.toFixed(4)}`)
      await show(step, { 'validation/accuracy': scores.accuracy, 'validation/loss': scores.loss })
      await this.#best.add({ step, ...scores }, () => this.#chosen(opened))
    })
  }

  async #chosen(opened: OpenedTraining): Promise<Classifier> {
    const { classifier, averaged } = this.#plan
    return { ...classifier, state: await chosenWeights(opened, averaged) }
  }
}

/** The classifier that is trained, as it is now. `program` is the one whose probabilities it gives. */
function classifierIn(
  { session }: OpenedTraining,
  program: string,
  { configuration: model, labels, sampling }: Pick<Classifier, 'configuration' | 'labels' | 'sampling'>,
  batch: number,
): ClipClassifier {
  const size = frameSize(model)
  const clip = { session, program, batch, clipBytes: model.frames * size.height * size.width * 3 }
  return {
    labels,
    frames: model.frames,
    size,
    sampling,
    batch,
    probabilities: async (clips) => (await runClips(clip, clips, ['probabilities'])).probabilities,
    close: async () => {},
  }
}

function lostBest(step: number): string {
  return `the weights that were best on the validation videos until step ${step} no longer exist; the best ones are chosen among the later ones.`
}

function stoppedInLastPass(steps: number, cause: unknown): VideoMaeError {
  return new VideoMaeError(
    `Stopped during validation after the last of ${steps} steps; training is finished and saved.`,
    {
      code: 'INTERRUPTED',
      exit: 'interrupted',
      hint: 'Continue with --resume: only validation and test remain.',
      cause,
    },
  )
}

/** The weights that are tested: averages where the run keeps them. */
async function chosenWeights({ session, training }: OpenedTraining, averaged: boolean): Promise<ModelState> {
  const names = [...training.parameters.keys()]
  if (!averaged) return session.readState(names)
  const trained = new Set(training.trained)
  const nameOf = (name: string): string => (trained.has(name) ? stateNames.ema(name) : name)
  const state = await session.readState(names.map(nameOf))
  return new Map(names.map((name) => [name, state.get(nameOf(name))!]))
}
