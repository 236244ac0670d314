import { VideoMaeError } from '../core/errors.ts'
import { launched, type Variables } from '../distributed/launched.ts'
import type { Engine } from './engine.ts'
import { engineNamed, engineNames } from './index.ts'

/** The name that stands for the best engine of this machine; no session, file or certificate ever records it. */
export const automatic = 'auto'

/** The engine that `auto` stands for on this machine, or `cpu`. */
export const engineVariable = 'VIDEOMAE_ENGINE'

/** A value of the variable: the best engine that uses no GPU. */
const onProcessor = 'cpu'

/** What is tried, in this order. The others are for those who ask for them (docs/engines.md). */
const preference = ['cuda', 'native', 'onnx', 'reference'] as const

/** What `auto` depends on. */
export interface AutomaticOptions {
  /** What the session will be opened with. */
  readonly device?: string | null
  /** Default: the environment of this process. */
  readonly variables?: Variables
  /** Default: the engines of this program. */
  readonly engine?: (name: string) => Promise<Engine>
}

/**
 * The engine that `VIDEOMAE_ENGINE` names; null where it names none.
 *
 * @throws VideoMaeError `ENGINE_UNKNOWN`
 */
export function namedByVariable(variables: Variables = process.env): string | null {
  const name = variables[engineVariable] ?? ''
  if (['', automatic, onProcessor].includes(name)) return null
  if (engineNames.includes(name)) return name
  const allowed = [automatic, onProcessor, ...engineNames].join(', ')
  throw new VideoMaeError(
    `Expected the variable ${engineVariable} to be one of ${allowed}, but it is ${JSON.stringify(name)}.`,
    {
      code: 'ENGINE_UNKNOWN',
      exit: 'usage',
      hint: `${onProcessor} stands for the best engine that uses no GPU. Unset the variable to use the default.`,
    },
  )
}

/** The engines that `auto` tries, in order. */
export function automaticCandidates({ device = null, variables = process.env }: AutomaticOptions = {}): string[] {
  // Another device is no GPU of CUDA. Of several ranks on a machine only as many as it has GPUs could use one.
  const allowed = variables[engineVariable] !== onProcessor && launched(variables) === null
  const forGpu = allowed && (device === null || device.startsWith('cuda'))
  return preference.filter((name) => name !== 'cuda' || forGpu)
}

/**
 * The best engine that this machine can run, made ready: kernels are compiled where they have to be.
 *
 * @param report is told in one line where it is not the first choice, and why. A machine without an NVIDIA GPU needs no line.
 * @throws VideoMaeError `ENGINE_UNAVAILABLE` where there is none; `INTERRUPTED`
 */
export async function automaticEngine(report: (line: string) => void, options: AutomaticOptions = {}): Promise<Engine> {
  const reasons: string[] = []
  for (const name of automaticCandidates(options)) {
    const engine = await (options.engine ?? engineNamed)(name)
    const why = await whyNot(engine)
    if (why === null) {
      if (reasons.length > 0) report(`Using the engine ${name}. ${reasons.join(' ')}`)
      return engine
    }
    if (name !== 'cuda' || (await hasDriverAlone())) reasons.push(why)
  }
  throw new VideoMaeError(`Expected one of the engines ${engineNames.join(', ')} to run here, but none can.`, {
    code: 'ENGINE_UNAVAILABLE',
    exit: 'environment',
    hint: '`videomae doctor` shows what is missing.',
  })
}

/**
 * The name of the engine that a session would get, without making it ready; null where none runs here.
 *
 * @param name what was asked for; null where nothing was
 * @throws VideoMaeError `ENGINE_UNKNOWN` for the variable; `INTERRUPTED`
 */
export async function selectedEngine(name: string | null, options: AutomaticOptions = {}): Promise<string | null> {
  if (name !== null && name !== automatic) return name
  const variable = namedByVariable(options.variables)
  if (variable !== null) return variable
  for (const candidate of automaticCandidates(options)) {
    const engine = await (options.engine ?? engineNamed)(candidate)
    if ((await engine.probe()).available) return candidate
  }
  return null
}

/** Whether the driver of an NVIDIA GPU is here, and what the engine `cuda` needs besides is not. */
async function hasDriverAlone(): Promise<boolean> {
  const { findLibraries } = await import('./cuda/index.ts')
  const { found, missing } = findLibraries()
  return found.cuda !== undefined && missing.length > 0
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
