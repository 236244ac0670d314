import { requireCount } from '../core/counts.ts'
import { invalidArgument } from '../core/errors.ts'
import { type FrameSize, frameSizeOf } from '../core/frame-size.ts'
import type { ClipAugmentation } from './augment/index.ts'
import { type ClipRequest, clipBytes } from './clip.ts'
import type { CropChoice } from './crop.ts'
import { type BadFile, EpochOrder, type StepStart } from './epoch-order.ts'
import type { IdleProcesses } from './idle-processes.ts'
import type { LoadedBatch, LoadedSample } from './loaded-batch.ts'
import { type ClipOutcome, type ClipReader, DecodePool } from './pool.ts'
import type { Failure } from './protocol.ts'
import type { ClipSampling } from './sampling.ts'
import { type RankShare, type SamplePosition, SharedRounds } from './shared-rounds.ts'
import type { DecoderLimits, DecoderName, VideoEntry } from './types.ts'

export type { LoadedBatch, LoadedSample } from './loaded-batch.ts'

/** Which videos are read, which frames make a clip, and how clips make batches. */
export interface LoaderOptions {
  /** Videos, or parts of videos. */
  readonly entries: readonly VideoEntry[]
  /** Which frames make a clip. */
  readonly sampling: ClipSampling
  /** Height and width of the clips, in pixels; one number for both. */
  readonly size: number | FrameSize
  /** Which part of the picture a clip shows. Default: multi-scale crop without mirroring, as in pretraining. */
  readonly crop?: CropChoice
  /** What is done to the pixels of every clip, each with its own draws; it runs in the decoding processes. */
  readonly augment?: ClipAugmentation
  /** Clips of each decoded video, same frames, each with its own crop. Default 1. */
  readonly samplesPerClip?: number
  /** Clips per batch, a multiple of `samplesPerClip`. */
  readonly batchSize: number
  /** Of the order, the frames and the crops: a whole number. */
  readonly seed: number
  /** Decoding processes. Default: one per core. */
  readonly workers?: number
  /** Batches decoded ahead. Default 2. */
  readonly prefetch?: number
  /** Idle decoding processes of earlier calls, and where those of this one go in the end. Default: they end with the call. */
  readonly processes?: IdleProcesses
  /** Processor seconds one file may take; four times as many when it is tried again. Default 60. */
  readonly timeoutSeconds?: number
  /** Files noted bad earlier in this run: needed when resuming, because the order depends on them. */
  readonly knownBad?: readonly BadFile[]
  /** Called once for every file that failed twice, in an order that depends on the seed alone, before the batch that would have held it. */
  readonly onBadFile?: (file: BadFile) => void
  /** Default `node-av`. */
  readonly decoder?: DecoderName
  /** What a decoder may take. */
  readonly limits?: DecoderLimits
  /** What clips come from instead of decoding processes, e.g. frames that are decoded already. It is closed with the loader. */
  readonly reader?: ClipReader
  /** Decodes the samples of one rank alone: batches have `share.clips` clips. Default: those of all, in batches of `batchSize`. */
  readonly share?: RankShare
  /** Ends the loader; a waiting iteration throws the signal's reason. */
  readonly signal?: AbortSignal
}

/** What a loader has done so far. */
export interface LoaderStats {
  /** Clips handed out. */
  readonly clips: number
  /** Seconds the consumer waited for batches. */
  readonly waitSeconds: number
  /** Frames that came out of the codecs, and those that were used. */
  readonly decodedFrames: number
  /** Frames that are in a clip. */
  readonly usedFrames: number
  /** Videos that could not be read. */
  readonly badFiles: number
  /** Decoding processes that were replaced. */
  readonly restarts: number
}

/** Batches of clips, decoded in other processes ahead of time. Iterate over it, and close it. */
export interface Loader {
  /** Full batches of one pass over all entries (bad files make a pass shorter). */
  readonly stepsPerEpoch: number
  /**
   * Batches without end, from a step on: exactly those that an uninterrupted run gives. One iteration at a time.
   * @throws VideoMaeError `NOT_ENOUGH_VIDEOS`, `DECODER_MISSING`, `DECODER_RESOURCES`, `LOADER_CLOSED`
   */
  batches(range?: { readonly startStep?: number }): AsyncGenerator<LoadedBatch, void, undefined>
  /** What it has done so far. */
  stats(): LoaderStats
  /** All bad files noted, `knownBad` included: store them with a checkpoint. */
  badFiles(): BadFile[]
  /** Identifiers of the decoding processes that are up. */
  processIds(): number[]
  /** Ends the decoding processes. Batches that were handed out stay valid. */
  close(): Promise<void>
}

/**
 * Starts the decoding processes; `close` ends them.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `NOT_ENOUGH_VIDEOS`
 */
export function createLoader(options: LoaderOptions): Loader {
  return new VideoLoader(options)
}

/** A batch that is being filled. */
interface OpenBatch {
  /** Samples. */
  readonly size: number
  taken: number
  clips: Uint8Array | null
  readonly samples: LoadedSample[]
}

interface Task {
  readonly index: number
  readonly outcome: Promise<ClipOutcome>
}

class VideoLoader implements Loader {
  readonly stepsPerEpoch: number
  private readonly options: LoaderOptions
  private readonly order: EpochOrder
  private readonly pool: ClipReader
  private readonly perStep: number
  /** How the samples are shared with other ranks; null where all are decoded here. */
  private readonly rounds: SharedRounds | null
  private readonly crops: readonly CropChoice[]
  /** Requests under way, by position. */
  private readonly tasks = new Map<string, Task>()
  private readonly spare: Uint8Array[] = []
  /** Memory of batches that were given back. To fill new memory takes many times as long: the system hands it out page by page, and empties each. */
  private readonly freeBatches: Uint8Array[] = []
  private counts = { clips: 0, waitSeconds: 0, decodedFrames: 0, usedFrames: 0 }

  constructor(options: LoaderOptions) {
    const { batchSize, samplesPerClip = 1, entries, seed, size } = options
    const { height, width } = frameSizeOf(size)
    for (const [name, value] of Object.entries({ batchSize, samplesPerClip, height, width })) {
      if (!Number.isInteger(value) || value < 1) throw invalidArgument(name, 'a positive integer', value)
    }
    requireCount('batch', batchSize, 'batchSize')
    requireCount('samplesPerClip', samplesPerClip)
    if (batchSize % samplesPerClip !== 0) {
      throw invalidArgument('batchSize', `a multiple of samplesPerClip (${samplesPerClip})`, batchSize)
    }
    this.options = options
    this.perStep = batchSize / samplesPerClip
    this.crops = new Array<CropChoice>(samplesPerClip).fill(options.crop ?? { kind: 'multi-scale' })
    this.order = new EpochOrder(entries, seed, this.perStep, options.knownBad ?? [])
    const { share } = options
    this.rounds = share === undefined ? null : new SharedRounds(this.order, this.perStep, samplesPerClip, share)
    this.stepsPerEpoch = Math.floor(entries.length / this.perStep)
    if (this.stepsPerEpoch === 0) this.order.requireEnough(0)
    this.pool =
      options.reader ??
      new DecodePool({
        decoder: options.decoder ?? 'node-av',
        limits: options.limits ?? {},
        workers: options.workers,
        timeoutSeconds: options.timeoutSeconds,
        slotBytes: clipBytes(this.request(0, 0)),
        growing: true,
        processes: options.processes,
        mostRequests: this.requestsAhead,
      })
    const stop = (): void => void this.pool.close(options.signal?.reason)
    options.signal?.addEventListener('abort', stop, { once: true })
    if (options.signal?.aborted) stop()
  }

  async *batches(range: { readonly startStep?: number } = {}): AsyncGenerator<LoadedBatch, void, undefined> {
    let step = range.startStep ?? 0
    if (this.rounds !== null) return yield* this.sharedBatches(this.rounds, step)
    let { epoch, offset } = this.order.startOfStep(step)
    for (;;) {
      const batch = await this.assemble(step, epoch, offset)
      if (batch === undefined) {
        this.order.requireEnough(epoch)
        epoch++
        offset = 0
        continue
      }
      step++
      offset += this.perStep
      this.schedule(epoch, offset)
      yield batch
    }
  }

  stats(): LoaderStats {
    return { ...this.counts, badFiles: this.order.badFiles().length, restarts: this.pool.restarts }
  }

  badFiles(): BadFile[] {
    return this.order.badFiles()
  }

  processIds(): number[] {
    return this.pool.processIds()
  }

  close(): Promise<void> {
    return this.pool.close()
  }

  /** This rank's part of each round: see `SharedRounds`. */
  private async *sharedBatches(rounds: SharedRounds, startStep: number): AsyncGenerator<LoadedBatch, void, undefined> {
    let start = this.order.startOfStep(startStep)
    for (let step = startStep; ; step += rounds.batchesPerRound) {
      const round = await rounds.agreed(
        start,
        (positions) => this.failuresOf(rounds, start, positions),
        (file) => this.noteBad(file),
      )
      const own = rounds.own(round)
      const batch = this.newBatch(own.length)
      for (const each of own) {
        const { index, settled } = await this.settle(each)
        if (settled.ok) this.take(batch, index, each.epoch, settled)
      }
      start = round.next
      this.scheduleOwn(rounds, start)
      yield this.finish(batch, step + rounds.ownBatch, own[0]?.epoch ?? start.epoch)
    }
  }

  /** Decodes samples of this rank, which stay for the batch; what kept some from being decoded. */
  private async failuresOf(
    rounds: SharedRounds,
    from: StepStart,
    positions: readonly SamplePosition[],
  ): Promise<BadFile[]> {
    this.scheduleOwn(rounds, from)
    const failures: BadFile[] = []
    for (const { epoch, position } of positions) {
      const { index, outcome } = this.tasks.get(positionKey(epoch, position))!
      const settled = await this.awaited(outcome)
      if (!settled.ok) failures.push(this.badFile(index, settled.failure, { epoch, position }))
    }
    return failures
  }

  /** Keeps this rank's samples of a round and of the `prefetch` next ones under way. */
  private scheduleOwn(rounds: SharedRounds, from: StepStart): void {
    const wanted = rounds.ownAhead(from, this.options.prefetch ?? 2)
    for (const { epoch, position } of wanted)
      if (!this.tasks.has(positionKey(epoch, position))) this.begin(epoch, position)
    const kept = new Set(wanted.map(({ epoch, position }) => positionKey(epoch, position)))
    for (const key of this.tasks.keys()) if (!kept.has(key)) this.tasks.delete(key)
  }

  /** The batch of the `perStep` usable samples from `offset` on; undefined where the epoch has no such batch (any more). */
  private async assemble(step: number, epoch: number, offset: number): Promise<LoadedBatch | undefined> {
    const batch = this.newBatch(this.perStep)
    while (batch.taken < this.perStep) {
      const usable = this.order.usable(epoch)
      if (usable.length - offset < this.perStep) return undefined
      this.schedule(epoch, offset + batch.taken)
      const position = { epoch, position: usable[offset + batch.taken] }
      const { index, settled } = await this.settle(position)
      if (settled.ok) this.take(batch, index, epoch, settled)
      else this.noteBad(this.badFile(index, settled.failure, position))
    }
    return this.finish(batch, step, epoch)
  }

  private newBatch(size: number): OpenBatch {
    return { size, taken: 0, clips: null, samples: [] }
  }

  private async awaited(outcome: Promise<ClipOutcome>): Promise<ClipOutcome> {
    const began = performance.now()
    return outcome.finally(() => {
      this.counts.waitSeconds += (performance.now() - began) / 1000
    })
  }

  /** The outcome of a request, which is done with. */
  private async settle({ epoch, position }: SamplePosition): Promise<{ index: number; settled: ClipOutcome }> {
    const { index, outcome } = this.tasks.get(positionKey(epoch, position))!
    const settled = await this.awaited(outcome)
    this.tasks.delete(positionKey(epoch, position))
    return { index, settled }
  }

  private take(batch: OpenBatch, index: number, epoch: number, { clips, result }: ClipOutcome & { ok: true }): void {
    const clipLength = clipBytes(this.request(0, 0))
    // Shared: an engine in another thread then reads it where it is.
    batch.clips ??= this.freeBatches.pop() ?? new Uint8Array(new SharedArrayBuffer(batch.size * clipLength))
    batch.clips.set(clips, batch.taken * clipLength)
    this.spare.push(clips)
    const { views, state } = result
    const entry = this.options.entries[index]
    for (const [copy, view] of views.entries()) batch.samples.push({ ...view, index, entry, epoch, copy, state })
    this.counts.decodedFrames += result.decoded
    this.counts.usedFrames += result.used
    batch.taken++
  }

  private finish({ clips, samples }: OpenBatch, step: number, epoch: number): LoadedBatch {
    this.counts.clips += samples.length
    return { step, epoch, clips: clips!, samples, release: this.releaseOnce(clips!) }
  }

  private releaseOnce(clips: Uint8Array): () => void {
    let held = true
    return () => {
      if (held) this.freeBatches.push(clips)
      held = false
    }
  }

  private badFile(index: number, { reason, code }: Failure, { epoch, position }: SamplePosition): BadFile {
    const { path, id } = this.options.entries[index]
    return { path, id, reason, code, epoch, position }
  }

  private noteBad(file: BadFile): void {
    this.order.note(file)
    this.options.onBadFile?.(file)
  }

  /** Samples of a batch and of the `prefetch` next ones. */
  private get requestsAhead(): number {
    return this.perStep * ((this.options.prefetch ?? 2) + 1)
  }

  /** Keeps the samples of this batch and of the next `prefetch` ones under way. */
  private schedule(epoch: number, offset: number): void {
    let missing = this.requestsAhead
    const wanted = new Set<string>()
    for (let e = epoch, from = offset; missing > 0; e++, from = 0) {
      const usable = this.order.usable(e)
      const until = Math.floor(usable.length / this.perStep) * this.perStep
      if (until === 0) break
      for (let i = from; i < until && missing > 0; i++, missing--) {
        const position = usable[i]
        wanted.add(positionKey(e, position))
        if (!this.tasks.has(positionKey(e, position))) this.begin(e, position)
      }
    }
    // What a newly noted bad file made superfluous.
    for (const key of this.tasks.keys()) if (!wanted.has(key)) this.tasks.delete(key)
  }

  private begin(epoch: number, position: number): void {
    const index = this.order.entryAt(epoch, position)
    const outcome = this.pool.read(this.request(index, epoch), this.spare.pop())
    outcome.catch(() => undefined) // Reported where it is awaited; a task that is dropped must not end the program.
    this.tasks.set(positionKey(epoch, position), { index, outcome })
  }

  private request(index: number, epoch: number): ClipRequest {
    const { entries, sampling, size, seed, augment } = this.options
    return {
      entry: entries[index],
      sampling,
      crops: this.crops,
      output: frameSizeOf(size),
      augment,
      key: [seed, epoch, index],
    }
  }
}

function positionKey(epoch: number, position: number): string {
  return `${epoch}:${position}`
}
