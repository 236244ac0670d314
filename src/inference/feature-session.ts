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

/** How a session is opened. */
export type OpenFeatureSession = typeof openFeatureSession

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

/** Keeps the session of the last call open for the next one, which may ask for the same. */
export class KeptFeatureSession {
  private kept: { readonly key: string; readonly session: FeatureSession } | null = null

  /** As `openFeatureSession`. `close` of the session leaves it open until another one or the end of all is asked for. */
  readonly open: OpenFeatureSession = async (engine, plan, clip, options) => {
    const { threads, device, precision } = options
    // The weights are those of one encoder; what else there is of a session is in its program.
    const key = JSON.stringify([engine.name, plan.program, plan.output, clip, { threads, device, precision }])
    if (this.kept?.key !== key) {
      await this.close()
      this.kept = { key, session: await openFeatureSession(engine, plan, clip, options) }
    }
    const { session } = this.kept
    return { features: (clips) => session.features(clips), close: async () => {} }
  }

  async close(): Promise<void> {
    const { kept } = this
    this.kept = null
    await kept?.session.close()
  }
}
