import { VideoMaeError } from '../core/errors.ts'
import { type Engine, engineNamed, engineNames, listEngines } from '../engine/index.ts'

/** What is tried where none is asked for, in this order: `cuda` is for those who ask for it (docs/engines.md). */
const preference = ['onnx', 'reference', 'cuda']

/**
 * The engine a run asks for, by its name or itself, or the best one that this machine can run.
 *
 * @throws VideoMaeError `ENGINE_UNKNOWN`, `ENGINE_UNAVAILABLE`
 */
export async function chooseEngine(name: string | Engine | null): Promise<Engine> {
  if (typeof name === 'object' && name !== null) return name
  if (name !== null) {
    const engine = await engineNamed(name)
    const { available, detail } = await engine.probe()
    if (available) return engine
    throw new VideoMaeError(`Expected to run on the engine ${name}, but it is not available: ${detail}`, {
      code: 'ENGINE_UNAVAILABLE',
      exit: 'environment',
      hint: 'Leave the engine out to use the best one that is here; `videomae doctor` lists them all.',
    })
  }
  const rank = (candidate: string): number => {
    const place = preference.indexOf(candidate)
    return place < 0 ? preference.length : place
  }
  const present = (await listEngines()).filter(({ available }) => available).sort((a, b) => rank(a.name) - rank(b.name))
  if (present[0] !== undefined) return engineNamed(present[0].name)
  throw new VideoMaeError(`Expected one of the engines ${engineNames.join(', ')} to run here, but none can.`, {
    code: 'ENGINE_UNAVAILABLE',
    exit: 'environment',
    hint: '`videomae doctor` says what is missing.',
  })
}
