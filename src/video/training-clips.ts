import { processSeconds } from './cpu-time.ts'
import { DecodePool } from './pool.ts'

const [frames, size] = [16, 224]

export interface MeasuringOptions {
  /** Processor seconds one request may use. */
  readonly timeoutSeconds?: number
  readonly signal?: AbortSignal
}

/**
 * Runs `work` with one decoding process that is up: its start does not count.
 *
 * @param first a video
 * @throws what `work` and the process throw; the signal's reason
 */
export async function withTrainingClips<Result>(
  first: string,
  options: MeasuringOptions,
  work: (clips: TrainingClips, pool: DecodePool) => Promise<Result>,
): Promise<Result> {
  const slotBytes = TrainingClips.bytes
  const pool = new DecodePool({ decoder: 'node-av', limits: {}, workers: 1, slotBytes, ...options })
  try {
    const clips = new TrainingClips(pool)
    await clips.seconds(first, 0)
    return await work(clips, pool)
  } finally {
    await pool.close()
  }
}

/** At most so many items, evenly spread over all: those that are measured. */
export function spread<Item>(items: readonly Item[], most: number): Item[] {
  const count = Math.min(most, items.length)
  return Array.from({ length: count }, (_, i) => items[Math.floor(((i + 0.5) * items.length) / count)])
}

/** How long decoding takes of clips as pretraining reads them: 16 frames at stride 4, 224 pixels, one random crop. */
export class TrainingClips {
  /** Bytes of the largest clip that is read. */
  static readonly bytes = 2 * frames * size * size * 3
  private readonly pool: DecodePool

  /** @param pool with one process */
  constructor(pool: DecodePool) {
    this.pool = pool
  }

  /** Whether processor time is told; else times are those of the wall. */
  get exact(): boolean {
    const [pid] = this.pool.processIds()
    return pid !== undefined && processSeconds(pid) !== undefined
  }

  /** Seconds that count; only differences mean something. */
  clock(): number {
    const [pid] = this.pool.processIds()
    return (pid === undefined ? undefined : processSeconds(pid)) ?? performance.now() / 1000
  }

  /**
   * Seconds of one clip; 0 where it does not decode.
   *
   * @param key decides which frames the clip has
   * @param crops that are made of its frames
   */
  async seconds(path: string, key: number, crops: 1 | 2 = 1): Promise<number> {
    const began = this.clock()
    const outcome = await this.pool.read({
      entry: { path, id: path },
      sampling: { kind: 'strided', frames, stride: 4 },
      crops: new Array(crops).fill({ kind: 'multi-scale' }),
      output: { width: size, height: size },
      key: [key],
    })
    return outcome.ok ? this.clock() - began : 0
  }
}
