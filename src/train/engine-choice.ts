import { VideoMaeError } from '../core/errors.ts'
import { automatic, automaticEngine, engineVariable, namedByVariable } from '../engine/automatic.ts'
import { type Engine, type EngineOptions, engineNamed } from '../engine/index.ts'

/** What a session will be opened with, as far as it is known; null where the engine decides. */
export type WantedOptions = {
  readonly [K in 'device' | 'precision' | 'recompute']?: EngineOptions[K] | null
}

/**
 * What the numbers of an engine are named by in records: its name, and the variant where it has one, e.g.
 * `native avx512bf16`. It need not run here.
 *
 * @param engine its name; with null or `auto` the best one that this machine can run
 */
export async function engineRecord(engine: string | null): Promise<string> {
  if (engine === null || engine === automatic) {
    const { name, variant } = await chooseEngine(engine)
    return recorded(name, variant?.() ?? null)
  }
  // A library that the engine needs may be missing where nothing has to run.
  const found = await engineNamed(engine).catch(() => null)
  return recorded(engine, found?.variant?.() ?? null)
}

const recorded = (name: string, variant: string | null): string => (variant === null ? name : `${name} ${variant}`)

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
 * It is made ready: kernels are compiled where they have to be.
 *
 * @param wanted what the session will be opened with: options that the engine cannot have are refused here
 * @throws VideoMaeError `ENGINE_UNKNOWN`, `ENGINE_UNAVAILABLE`, `INVALID_ARGUMENT`, `KERNEL_COMPILATION_FAILED`, `INTERRUPTED`
 */
export async function chooseEngine(name: string | Engine | null, wanted: WantedOptions = {}): Promise<Engine> {
  const engine = await engineFor(name, wanted.device)
  const { device, precision, recompute } = wanted
  await engine.requireOptions?.({
    device: device ?? undefined,
    precision: precision ?? undefined,
    recompute: recompute ?? undefined,
  })
  return engine
}

async function engineFor(name: string | Engine | null, device?: string | null): Promise<Engine> {
  if (typeof name === 'object' && name !== null) return name
  if (name !== null && name !== automatic) {
    return available(name, 'Leave the engine out to use the best available one; `videomae doctor` lists them all.')
  }
  const variable = namedByVariable()
  if (variable === null) return automaticEngine(sayOnce, { device })
  return available(variable, `The variable ${engineVariable} names it; \`videomae doctor\` lists all engines.`)
}

async function available(name: string, hint: string): Promise<Engine> {
  const engine = await engineNamed(name)
  const found = await engine.probe()
  if (found.available) {
    await engine.prepare?.()
    return engine
  }
  throw new VideoMaeError(`Expected to run on the engine ${name}, but it is not available: ${found.detail}`, {
    code: 'ENGINE_UNAVAILABLE',
    exit: 'environment',
    hint,
  })
}
