/** What is at a path that a page is asked for. */
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { requirePath, VideoMaeError } from '../../core/errors.ts'
import { finetuneModes } from '../../finetune/configuration.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { readResultFile } from './read-file.ts'
import { configurationSchema } from './run/training-facts.ts'

export type FoundResult =
  | { readonly kind: 'certificate'; readonly file: string }
  /** `run` is null for the results of `evaluate` alone. */
  | { readonly kind: 'classifier'; readonly run: string | null; readonly evaluation: string }
  /** `pictures`: folders where reconstructions may be. */
  | { readonly kind: 'pretraining'; readonly run: string; readonly pictures: readonly string[] }

const certificateName = /^(?:certificate|imported-certificate-[\w-]+)\.json$/

/**
 * Finds out what a page is to be about.
 *
 * @param location a certificate, its folder, the folder of a run, of a demo, or of an evaluation
 * @throws VideoMaeError `REPORT_NOTHING_FOUND` where nothing of that kind is there, or more than one certificate; `RESULTS_INVALID`
 */
export async function findResult(location: string): Promise<FoundResult> {
  requirePath('RUN', location)
  const found = await stat(location).catch(nullIfMissing)
  if (found === null) throw nothingFound(location, 'that path does not exist')
  if (!found.isDirectory()) return { kind: 'certificate', file: location }
  const names = await readdir(location)
  const certificates = names.filter((name) => certificateName.test(name)).sort()
  if (certificates.includes('certificate.json'))
    return { kind: 'certificate', file: path.join(location, 'certificate.json') }
  if (certificates.length === 1) return { kind: 'certificate', file: path.join(location, certificates[0]) }
  if (certificates.length > 1)
    throw nothingFound(location, `it contains several certificates (${certificates.join(', ')}): name one`)
  if (names.includes('evaluation.json')) return { kind: 'classifier', run: null, evaluation: location }
  const run = await runAt(location, names)
  if (run !== null) return run
  // The folder of a demo has its run in a folder, and its reconstructions next to that.
  const inside = path.join(location, 'run')
  const demo = names.includes('.videomae-demo')
    ? await runAt(inside, (await readdir(inside).catch(nullIfMissing)) ?? [])
    : null
  if (demo?.kind === 'pretraining') return { ...demo, pictures: [location] }
  const checkpoint = names.includes('model.safetensors') || names.includes('model.safetensors.index.json')
  throw nothingFound(
    location,
    checkpoint
      ? 'it contains only weights: name the folder of the run that they belong to'
      : 'it contains none of these',
  )
}

async function runAt(location: string, names: readonly string[]): Promise<FoundResult | null> {
  // A checkpoint has a config.json, too, of another form.
  if (!names.includes('config.json') || names.includes('model.safetensors')) return null
  const configuration = await readResultFile(path.join(location, 'config.json'), configurationSchema)
  if (configuration === null) return null
  if (finetuneModes.some((mode) => mode === configuration.mode))
    return { kind: 'classifier', run: location, evaluation: path.join(location, 'evaluation') }
  // Other programs write these two files, too.
  const own = typeof configuration.engineUsed === 'string' && names.includes('metrics.jsonl')
  return own ? { kind: 'pretraining', run: location, pictures: [location] } : null
}

function nothingFound(location: string, why: string): VideoMaeError {
  return new VideoMaeError(
    `Expected a certificate, a fine-tuned classifier or a pretraining run at ${location}, but ${why}.`,
    {
      code: 'REPORT_NOTHING_FOUND',
      exit: 'data',
      hint: 'Name certificate.json or its folder, the folder of a run, or the folder that evaluate --out wrote.',
    },
  )
}
