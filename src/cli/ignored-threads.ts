import { unusedArgument } from '../core/errors.ts'
import {
  type AutomaticOptions,
  automatic,
  engineVariable,
  namedByVariable,
  selectedEngine,
} from '../engine/automatic.ts'
import { ignoresOption } from '../engine/ignored-options.ts'
import { isExported } from '../inference/exported-name.ts'

/**
 * Of commands in which nothing but the engine uses threads.
 *
 * @param from the classifier or encoder: ONNX Runtime runs an exported one and uses the threads
 * @throws VideoMaeError `INVALID_ARGUMENT`, `ENGINE_UNKNOWN`
 */
export async function refuseIgnoredThreads(
  { engine, threads, from }: { readonly engine?: string; readonly threads?: number; readonly from?: string },
  options: AutomaticOptions = {},
): Promise<void> {
  if (threads === undefined) return
  const named = engine !== undefined && engine !== automatic
  if (!named && from !== undefined && isExported(from)) return
  const used = await selectedEngine(engine ?? null, options)
  if (!ignoresOption(used, 'threads')) return
  const variable = named ? null : namedByVariable(options.variables)
  const where = named ? `--engine ${used}` : variable === null ? `the engine ${used}` : `${engineVariable}=${variable}`
  throw unusedArgument('--threads', `with ${where}`, threads)
}
