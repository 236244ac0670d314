import type { Engine, EngineOptions } from '../engine/engine.ts'
import { requireFiniteOutput, runClips } from '../engine/run-clips.ts'
import type { FeatureProgram } from './encoder-source.ts'

/** An encoder on an engine: clips in, features out. */
export interface FeatureSession {
  /**
   * @param clips uint8 [n][T, H, W, 3]
   * @returns [n, width] features
   * @throws VideoMaeError `OUTPUT_NOT_FINITE`
   */
  features(clips: Uint8Array): Promise<Float32Array>
  close(): Promise<void>
}

/** @param clip clips in one run, as the program was built for, and bytes of one clip */
export async function openFeatureSession(
  engine: Engine,
  { program, output, state }: Pick<FeatureProgram, 'program' | 'output' | 'state'>,
  clip: { readonly batch: number; readonly clipBytes: number },
  { threads, device, precision }: EngineOptions,
): Promise<FeatureSession> {
  const session = await engine.open([program], { threads, device, precision })
  try {
    await session.writeState(state)
  } catch (error) {
    await session.close() // Nobody gets a session that could be closed.
    throw error
  }
  return {
    async features(clips) {
      const found = await runClips({ session, program: program.name, ...clip }, clips, [output])
      requireFiniteOutput('features', found[output])
      return found[output]
    },
    close: () => session.close(),
  }
}
