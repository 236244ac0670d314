import { VideoMaeError } from '../core/errors.ts'
import type { Engine } from './engine.ts'
import { engineNamed, engineNames } from './index.ts'

/** The name that stands for the best engine of this machine; no session, file or certificate ever records it. */
export const automatic = 'auto'

/** What is tried, in this order: `cuda` is for those who ask for it (docs/engines.md). */
const preference = ['native', 'onnx', 'reference']

/**
 * The best engine that this machine can run, made ready: kernels are compiled where they have to be.
 *
 * @param report is told in one line where it is not the first choice, and why
 * @throws VideoMaeError `ENGINE_UNAVAILABLE` where there is none; `INTERRUPTED`
 */
export async function automaticEngine(report: (line: string) => void): Promise<Engine> {
  const reasons: string[] = []
  for (const name of preference) {
    const engine = await engineNamed(name)
    const why = await whyNot(engine)
    if (why === null) {
      if (reasons.length > 0) report(`Using the engine ${name}. ${reasons.join(' ')}`)
      return engine
    }
    reasons.push(why)
  }
  throw new VideoMaeError(`Expected one of the engines ${engineNames.join(', ')} to run here, but none can.`, {
    code: 'ENGINE_UNAVAILABLE',
    exit: 'environment',
    hint: '`videomae doctor` shows what is missing.',
  })
}

/** The first line of what keeps an engine from running here, or null. */
async function whyNot(engine: Engine): Promise<string | null> {
  try {
    const { available, detail } = await engine.probe()
    if (!available) return detail
    await engine.prepare?.()
    return null
  } catch (error) {
    if (error instanceof VideoMaeError && error.exit === 'interrupted') throw error
    return (error as Error).message.split('\n')[0]
  }
}
