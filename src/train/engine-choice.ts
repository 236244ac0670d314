import { VideoMaeError } from '../core/errors.ts'
import { automatic, automaticEngine } from '../engine/automatic.ts'
import { type Engine, engineNamed } from '../engine/index.ts'

/** Lines that were said already: that the first choice cannot run is worth one line, not one for every session. */
const said = new Set<string>()

function sayOnce(line: string): void {
  if (said.has(line)) return
  said.add(line)
  process.stderr.write(`${line}\n`)
}

/**
 * The engine a run asks for, by its name or itself; with null or `auto` the best one that this machine can run.
 *
 * @throws VideoMaeError `ENGINE_UNKNOWN`, `ENGINE_UNAVAILABLE`
 */
export async function chooseEngine(name: string | Engine | null): Promise<Engine> {
  if (typeof name === 'object' && name !== null) return name
  if (name !== null && name !== automatic) {
    const engine = await engineNamed(name)
    const { available, detail } = await engine.probe()
    if (available) return engine
    throw new VideoMaeError(`Expected to run on the engine ${name}, but it is not available: ${detail}`, {
      code: 'ENGINE_UNAVAILABLE',
      exit: 'environment',
      hint: 'Leave the engine out to use the best one that is here; `videomae doctor` lists them all.',
    })
  }
  return automaticEngine(sayOnce)
}
