/** The ensemble files next to a certificate, compared with it: their digest, their description, and the digests of their heads. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { nullIfMissing } from '../../../format/missing.ts'
import { sha256 } from '../../ensemble/hash.ts'
import { digestOfHead } from '../../ensemble/heads/head-digest.ts'
import { runName } from '../../files/certificate-file.ts'
import { looksIntoHeads } from '../../rules/list.ts'
import { learnerSizes } from '../../rules/spread.ts'
import { bucketCount } from '../../verify/buckets.ts'
import type { Differences } from '../../verify/differences.ts'
import { readBuckets } from '../../verify/read-files.ts'
import type { ReadBuckets, ReadCertificate, ReadRun } from '../../verify/schema.ts'
import { readEnsemble, type StoredEnsemble } from './ensemble-file.ts'

/**
 * Compares every ensemble file that a certificate names with the certificate.
 *
 * @param file the certificate
 * @throws VideoMaeError `ENSEMBLE_INVALID` for a file that is damaged or no ensemble
 */
export async function compareEnsembleFiles(
  file: string,
  certificate: ReadCertificate,
  differences: Differences,
): Promise<{ readonly checked: readonly string[]; readonly notChecked: readonly string[] }> {
  const folder = path.dirname(file)
  const seen = new Set<string>()
  const missing: string[] = []
  for (const [r, run] of certificate.runs.entries()) {
    const { ensemble = null } = run
    if (ensemble === null || seen.has(ensemble.file)) continue
    seen.add(ensemble.file)
    const file = path.join(folder, ensemble.file)
    if ((await stat(file).catch(nullIfMissing)) === null) {
      missing.push(ensemble.file)
      continue
    }
    const stored = await readEnsemble(file)
    const before = differences.found
    differences.compare(`runs[${r}].ensemble.digest`, ensemble.digest, stored.digest, { run: runName(run) })
    if (differences.found > before) continue
    const found = await readBuckets(folder, bucketCount(run), run.bucketManifest)
    compareDescription(certificate, run, stored, found?.manifest ?? null, differences)
    if (found !== null) compareHeads(run, stored, found.manifest, differences)
  }
  return {
    checked:
      seen.size > missing.length
        ? [
            'ensemble files: their digests, what they say of rules, partitions, classes, claim and options, and their weights',
          ]
        : [],
    notChecked: missing.map((name) => `${name}, which is not next to the certificate`),
  }
}

/** What an ensemble says of itself follows from the certificate: `predict --certified` quotes the claim of the file. */
function compareDescription(
  certificate: ReadCertificate,
  run: ReadRun,
  { description }: StoredEnsemble,
  manifest: ReadBuckets | null,
  differences: Differences,
): void {
  const { threat, buckets, classNames, learner, runs, options } = certificate
  const rules = runs.flatMap(({ ensemble, rule }) =>
    ensemble?.file === run.ensemble?.file && !looksIntoHeads(rule) ? [rule] : [],
  )
  const stated = {
    ...{ rules, partitions: run.partitions, spread: run.spread, offsets: run.offsets, periods: run.periods ?? null },
    ...{ by: buckets.by, bucketManifest: run.bucketManifest, learnersDigest: run.learnersDigest },
    ...{ classNames, head: learner, threat },
    ...(manifest === null ? {} : { groups: manifest.groups }),
  }
  for (const [field, value] of Object.entries(stated))
    differences.compare(`${run.ensemble?.file}: ${field}`, description[field as keyof typeof stated], value, {
      run: runName(run),
    })
  if (options === undefined) return
  const { features, seed, seeds } = description
  const { readout, augment, decoder, engine, encoders } = features
  const followed = { seed, readout, augment, decoder, engine, from: encoders.map(({ name }) => name) }
  for (const [field, value] of Object.entries(followed)) differences.compare(`options.${field}`, options[field], value)
  differences.compare(`runs[${runs.indexOf(run)}].seeds`, run.seeds, seeds, { run: runName(run) })
}

/** The digest of each head, from its weights and the rows that it was trained on. */
function compareHeads(
  run: ReadRun,
  { description, heads }: StoredEnsemble,
  { sizes }: ReadBuckets,
  differences: Differences,
): void {
  const { learners, classes, width, weights } = heads
  const { periods, learnersDigest, ensemble } = run
  if (learners !== run.learners) {
    differences.compare(`${ensemble?.file}: learners`, learners, run.learners, { run: runName(run) })
    return
  }
  const offsets =
    periods === undefined
      ? run.offsets
      : Array.from({ length: periods.coverage }, (_, i) => (sizes.length - i) % sizes.length)
  const job = { ...heads, classNames: description.classNames }
  const length = classes * (width + 1)
  const samplesOf = learnerSizes(sizes, learners, offsets)
  const digests = Array.from({ length: learners }, (_, learner) => {
    return digestOfHead(
      job,
      { learner, samples: samplesOf[learner] },
      weights.subarray(learner * length, (learner + 1) * length),
    )
  })
  differences.compare(`${ensemble?.file}: digest of its weights`, sha256(digests.join('\n')), learnersDigest, {
    run: runName(run),
  })
}
