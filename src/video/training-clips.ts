import { processSeconds } from './cpu-time.ts'
import type { DecodePool } from './pool.ts'

const [frames, size] = [16, 224]

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
   * @param key decides the place of the clip
   * @param crops that are made of its frames
   */
  async seconds(path: string, key: number, crops: 1 | 2 = 1): Promise<number> {
    const began = this.clock()
    const outcome = await this.pool.read({
      entry: { path, id: path },
      sampling: { kind: 'strided', frames, stride: 4 },
      crops: new Array(crops).fill({ kind: 'multiscale' }),
      output: { width: size, height: size },
      key: [key],
    })
    return outcome.ok ? this.clock() - began : 0
  }
}
