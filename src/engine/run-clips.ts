import { VideoMaeError } from '../core/errors.ts'
import { firstNonFinite } from '../format/finite.ts'
import type { EngineSession } from './engine.ts'

/** A program of a fixed batch that takes `frames`, run on any number of clips. */
export interface ClipProgram {
  readonly session: EngineSession
  readonly program: string
  readonly batch: number
  /** Bytes of one clip. */
  readonly clipBytes: number
}

/**
 * Runs a program on clips; the last run is filled up with zeros, whose results are dropped. Clips of one run do not
 * influence each other.
 *
 * @param clips uint8 [count][T, H, W, 3]
 * @returns the outputs that were asked for, one array of all clips each
 */
export async function runClips<Name extends string>(
  { session, program, batch, clipBytes }: ClipProgram,
  clips: Uint8Array,
  outputs: readonly Name[],
): Promise<Record<Name, Float32Array>> {
  const count = clips.length / clipBytes
  const results: Partial<Record<Name, Float32Array>> = {}
  for (let from = 0; from < count; from += batch) {
    const here = Math.min(batch, count - from)
    // A copy: the engine may hand its input to another thread.
    const frames = new Uint8Array(batch * clipBytes)
    frames.set(clips.subarray(from * clipBytes, (from + here) * clipBytes))
    const out = await session.run(program, { frames })
    for (const name of outputs) {
      const values = out[name]
      const width = values.length / batch
      const all = results[name] ?? new Float32Array(count * width)
      all.set(values.subarray(0, here * width), from * width)
      results[name] = all
    }
  }
  return results as Record<Name, Float32Array>
}

/**
 * Refuses results that are no numbers: nothing that is computed from them means anything.
 *
 * @throws VideoMaeError `OUTPUT_NOT_FINITE`
 */
export function requireFiniteOutput(name: string, values: Float32Array): void {
  const index = firstNonFinite(values)
  if (index < 0) return
  throw new VideoMaeError(
    `Expected finite ${name} from the model, but value ${index} of ${values.length} is ${values[index]}.`,
    {
      code: 'OUTPUT_NOT_FINITE',
      exit: 'data',
      hint: 'The weights are finite but too large for float32 arithmetic, because the training diverged. Use an earlier checkpoint.',
    },
  )
}
