/** Which file a user means: an ensemble, or the certificate (or its folder) that names one. */

import { stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { VideoMaeError } from '../../../core/errors.ts'
import { parseUniqueJson } from '../../../format/json.ts'
import { nullIfMissing } from '../../../format/missing.ts'
import { readRegularText } from '../../../format/regular-file.ts'
import { readEnsemble, type StoredEnsemble } from './ensemble-file.ts'
import { mismatch } from './mismatch.ts'

interface EnsembleLocation {
  readonly file: string
  /** What a certificate says the digest is; null where the file itself was named. */
  readonly digest: string | null
}

/** The part of `certificate.json` that is read here. */
const certificateSchema = z.object({
  learner: z.object({ kind: z.string() }),
  runs: z.array(
    z.object({
      ensemble: z
        .object({ file: z.string().regex(/^ensemble-[\w-]+\.safetensors$/), digest: z.string() })
        .nullable()
        .optional(),
    }),
  ),
})

/**
 * Reads the ensemble that is meant; where a certificate names it, it must be the one that was certified.
 *
 * @param where an ensemble file, `certificate.json`, or the folder of a certification with one ensemble
 * @throws VideoMaeError `ENSEMBLE_NOT_FOUND`, `LEARNER_NOT_KEPT` for learners that are no matrices on features, `ENSEMBLE_MISMATCH`
 *   where the file next to a certificate is another one; as `readEnsemble`
 */
export async function locateEnsemble(
  where: string,
): Promise<StoredEnsemble & { readonly file: string; readonly digest: string }> {
  const { file, digest: expected } = await locate(where)
  const stored = await readEnsemble(file)
  if (expected !== null && expected !== stored.digest) {
    const hint = 'Run the same `videomae certify` again.'
    throw mismatch('digest', `${expected}, as the certificate says`, stored.digest, hint)
  }
  return { ...stored, file }
}

async function locate(where: string): Promise<EnsembleLocation> {
  const found = await stat(where).catch(nullIfMissing)
  if (found === null) throw notFound(`Expected a certified ensemble at ${where}, which does not exist.`)
  const certificate = found.isDirectory() ? path.join(where, 'certificate.json') : where
  if (!certificate.endsWith('.json')) return { file: where, digest: null }
  const text = await readRegularText(certificate).catch(nullIfMissing)
  if (text === null) throw notFound(`Expected certificate.json in ${where}, but it is missing.`)
  const { learner, runs } = parse(certificate, text)
  const ensembles = new Map(runs.flatMap(({ ensemble }) => (ensemble ? [[ensemble.file, ensemble.digest]] : [])))
  const [first] = ensembles
  if (first === undefined) throw notKept(certificate, learner.kind)
  if (ensembles.size > 1)
    throw notFound(
      `Expected one ensemble, but ${certificate} has ${ensembles.size}: ${[...ensembles.keys()].join(', ')}.`,
      'Name one of these files.',
    )
  return { file: path.join(path.dirname(certificate), first[0]), digest: first[1] }
}

function parse(file: string, text: string): z.output<typeof certificateSchema> {
  let value: unknown
  try {
    value = parseUniqueJson(text)
  } catch {
    value = null
  }
  const parsed = certificateSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw notFound(`Expected a certificate of videos in ${file}: ${z.prettifyError(parsed.error).slice(0, 500)}.`)
}

function notFound(
  message: string,
  hint = '`videomae certify` writes ensemble-*.safetensors next to certificate.json.',
): VideoMaeError {
  return new VideoMaeError(message, { code: 'ENSEMBLE_NOT_FOUND', exit: 'data', hint })
}

/** What can be kept: heads on pooled features. */
const keptKinds: readonly string[] = ['ridge', 'nearest_mean', 'softmax']

function notKept(certificate: string, kind: string): VideoMaeError {
  if (keptKinds.includes(kind))
    return notFound(
      `Expected an ensemble next to ${certificate}, but the certificate names none: an earlier version wrote it.`,
      'Run the same `videomae certify` again: finished base classifiers are kept.',
    )
  return new VideoMaeError(
    `Expected base classifiers that are stored in one file, but the base classifiers of ${certificate} are of kind ${kind}: each of them is a trained network.`,
    {
      code: 'LEARNER_NOT_KEPT',
      exit: 'data',
      hint: 'Certify with --learner ridge, nearest_mean or linear, or predict new videos with `videomae certify DATA --test VIDEOS`.',
    },
  )
}
