import { existsSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { automatic, automaticEngine, engineVariable, namedByVariable } from '../engine/automatic.ts'
import { type Engine, type EngineOptions, engineNamed } from '../engine/index.ts'

/** What a session will be opened with, as far as it is known; null where the engine decides. */
export type WantedOptions = {
  readonly [K in 'device' | 'precision' | 'recompute' | 'ranks']?: EngineOptions[K] | null
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
 * @param continues whether it is for a run that is resumed, which cannot change its engine
 * @throws VideoMaeError `ENGINE_UNKNOWN`, `ENGINE_UNAVAILABLE`, `INVALID_ARGUMENT`, `KERNEL_COMPILATION_FAILED`, `INTERRUPTED`
 */
export async function chooseEngine(
  name: string | Engine | null,
  wanted: WantedOptions = {},
  continues = false,
): Promise<Engine> {
  const { device, precision, recompute, ranks } = wanted
  const engine = await withHintOf(continues, () => engineFor(name, device))
  // A resumed run may name another device: the hint about the device is right for it, too.
  const aboutDevice = (device ?? null) !== null && (precision ?? 'float32') === 'float32'
  await withHintOf(continues && !aboutDevice, async () =>
    engine.requireOptions?.({
      device: device ?? undefined,
      precision: precision ?? undefined,
      recompute: recompute ?? undefined,
      ranks: ranks ?? undefined,
    }),
  )
  return engine
}

/** Whether a run continues one that has written its configuration: it has an engine already. */
export function continuesRun({ resume, out }: { readonly resume?: boolean; readonly out: string }): boolean {
  return resume === true && existsSync(path.join(out, 'config.json'))
}

/** What `work` returns. For a run that is resumed, an engine that is missing gets a hint that such a run can follow. */
export async function withHintOf<T>(continues: boolean, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!continues || !(error instanceof VideoMaeError) || error.code !== 'ENGINE_UNAVAILABLE') throw error
    const { message, code, exit } = error
    const hint =
      'A run that is resumed keeps its engine and its precision. Resume it on a machine that has them, or start a new run from its weights (model.from). `videomae doctor` shows what is missing.'
    throw new VideoMaeError(message, { code, exit, hint, cause: error })
  }
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
