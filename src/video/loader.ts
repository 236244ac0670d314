import { requireCount } from '../core/counts.ts'
import { invalidArgument } from '../core/errors.ts'
import { type FrameSize, frameSizeOf } from '../core/frame-size.ts'
import type { FileState } from '../format/regular-file.ts'
import type { ClipAugmentation } from './augment/index.ts'
import { type ClipRequest, type ClipView, clipBytes } from './clip.ts'
import type { CropChoice } from './crop.ts'
import { type BadFile, EpochOrder } from './epoch-order.ts'
import { type ClipOutcome, type ClipReader, DecodePool } from './pool.ts'
import type { ClipSampling } from './sampling.ts'
import type { DecoderLimits, DecoderName, VideoEntry } from './types.ts'

export interface LoaderOptions {
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
  readonly seed: number
  /** Decoding processes. Default: one per core. */
  readonly workers?: number
  /** Batches decoded ahead. Default 2. */
  readonly prefetch?: number
  /** Processor seconds one file may take; four times as many when it is tried again. Default 60. */
  readonly timeoutSeconds?: number
  /** Files noted bad earlier in this run: needed when resuming, because the order depends on them. */
  readonly knownBad?: readonly BadFile[]
  /** Called once for every file that failed twice, in an order that depends on the seed alone, before the batch that would have held it. */
  readonly onBadFile?: (file: BadFile) => void
  /** Default `node-av`. */
  readonly decoder?: DecoderName
  readonly limits?: DecoderLimits
  /** What clips come from instead of decoding processes, e.g. frames that are decoded already. It is closed with the loader. */
  readonly reader?: ClipReader
  /** Ends the loader; a waiting iteration throws the signal's reason. */
  readonly signal?: AbortSignal
}

/** Where one clip of a batch comes from. */
export interface LoadedSample extends ClipView {
  /** Index into the loader's entries. */
  readonly index: number
  readonly entry: VideoEntry
  readonly epoch: number
  /** Which of the `samplesPerClip` crops. */
  readonly copy: number
  /** State of the file that was decoded; absent where the reader has no files. */
  readonly state?: FileState
}

export interface LoadedBatch {
  readonly step: number
  readonly epoch: number
  /** uint8 [batchSize][frames][height][width][3], RGB, in shared memory. The copies of one video lie side by side. */
  readonly clips: Uint8Array
  readonly samples: readonly LoadedSample[]
  /** Gives the memory of `clips` back for a later batch: call it when nothing reads them any more. A batch that is not given back keeps its memory. */
  release(): void
}

export interface LoaderStats {
  /** Clips handed out. */
  readonly clips: number
  /** Seconds the consumer waited for batches. */
  readonly waitSeconds: number
  /** Frames that came out of the codecs, and those that were used. */
  readonly decodedFrames: number
  readonly usedFrames: number
  readonly badFiles: number
  /** Decoding processes that were replaced. */
  readonly restarts: number
}

export interface Loader {
  /** Full batches of one pass over all entries (bad files make a pass shorter). */
  readonly stepsPerEpoch: number
  /**
   * Batches without end, from a step on: exactly those that an uninterrupted run gives. One iteration at a time.
   * @throws VideoMaeError `NOT_ENOUGH_VIDEOS`, `DECODER_MISSING`, `DECODER_RESOURCES`, `LOADER_CLOSED`
   */
  batches(range?: { readonly startStep?: number }): AsyncGenerator<LoadedBatch, void, undefined>
  stats(): LoaderStats
  /** All bad files noted, `knownBad` included: store them with a checkpoint. */
  badFiles(): BadFile[]
  /** Identifiers of the decoding processes that are up. */
  processIds(): number[]
  close(): Promise<void>
}

/** Starts the decoding processes; `close` ends them. */
export function createLoader(options: LoaderOptions): Loader {
  return new VideoLoader(options)
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
  private readonly crops: readonly CropChoice[]
  /** Requests under way, by place. */
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
    this.crops = new Array<CropChoice>(samplesPerClip).fill(options.crop ?? { kind: 'multiscale' })
    this.order = new EpochOrder(entries, seed, this.perStep, options.knownBad ?? [])
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
        mostRequests: this.requestsAhead,
      })
    const stop = (): void => void this.pool.close(options.signal?.reason)
    options.signal?.addEventListener('abort', stop, { once: true })
    if (options.signal?.aborted) stop()
  }

  async *batches(range: { readonly startStep?: number } = {}): AsyncGenerator<LoadedBatch, void, undefined> {
    let step = range.startStep ?? 0
    let { epoch, offset } = this.order.placeOfStep(step)
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

  /** The batch of the `perStep` usable samples from `offset` on; undefined where the epoch has no such batch (any more). */
  private async assemble(step: number, epoch: number, offset: number): Promise<LoadedBatch | undefined> {
    const clipLength = clipBytes(this.request(0, 0))
    let clips: Uint8Array | undefined
    const samples: LoadedSample[] = []
    let taken = 0
    while (taken < this.perStep) {
      const usable = this.order.usable(epoch)
      if (usable.length - offset < this.perStep) return undefined
      this.schedule(epoch, offset + taken)
      const position = usable[offset + taken]
      const { index, outcome } = this.tasks.get(placeKey(epoch, position))!
      const began = performance.now()
      const settled = await outcome.finally(() => {
        this.counts.waitSeconds += (performance.now() - began) / 1000
      })
      this.tasks.delete(placeKey(epoch, position))
      const entry = this.options.entries[index]
      if (!settled.ok) {
        this.noteBad({ path: entry.path, id: entry.id, ...settled.failure, epoch, position })
        continue
      }
      // Shared: an engine in another thread then reads it where it lies.
      clips ??= this.freeBatches.pop() ?? new Uint8Array(new SharedArrayBuffer(this.perStep * clipLength))
      clips.set(settled.clips, taken * clipLength)
      this.spare.push(settled.clips)
      const { views, state } = settled.result
      for (const [copy, view] of views.entries()) samples.push({ ...view, index, entry, epoch, copy, state })
      this.counts.decodedFrames += settled.result.decoded
      this.counts.usedFrames += settled.result.used
      taken++
    }
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

  private noteBad(file: BadFile): void {
    const { path, id, reason, code, epoch, position } = file
    const noted = { path, id, reason, code, epoch, position }
    this.order.note(noted)
    this.options.onBadFile?.(noted)
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
        wanted.add(placeKey(e, position))
        if (!this.tasks.has(placeKey(e, position))) this.begin(e, position)
      }
    }
    // What a newly noted bad file made superfluous.
    for (const place of this.tasks.keys()) if (!wanted.has(place)) this.tasks.delete(place)
  }

  private begin(epoch: number, position: number): void {
    const index = this.order.entryAt(epoch, position)
    const outcome = this.pool.read(this.request(index, epoch), this.spare.pop())
    outcome.catch(() => undefined) // Reported where it is awaited; a task that is dropped must not end the program.
    this.tasks.set(placeKey(epoch, position), { index, outcome })
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

function placeKey(epoch: number, position: number): string {
  return `${epoch}:${position}`
}
