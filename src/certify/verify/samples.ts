/** The records of samples next to a certificate, checked against its partitions, its classes and its inputs. */
import path from 'node:path'
import { VideoMaeError } from '../../core/errors.ts'
import { assignBuckets, bucketManifest } from '../ensemble/buckets.ts'
import { ensembleFacts } from '../ensemble/ensemble-facts.ts'
import type { SampleSet } from '../ensemble/feature-set.ts'
import { spreadOfPlan } from '../ensemble/learners.ts'
import { runName } from '../files/certificate-file.ts'
import { plurality } from '../rules/plurality.ts'
import { bucketCount } from './buckets.ts'
import type { Differences } from './differences.ts'
import { invalidCertificate, readBuckets, readSamples } from './read-files.ts'
import type { ReadCertificate, ReadRun, ReadSamples } from './schema.ts'

/** What was checked and what could not be. */
interface Outcome {
  readonly checked: readonly string[]
  readonly notChecked: readonly string[]
}

/**
 * @param file the certificate, for messages
 * @throws VideoMaeError `CERTIFICATE_INVALID`
 */
export async function compareSamples(
  file: string,
  certificate: ReadCertificate,
  differences: Differences,
): Promise<Outcome> {
  const { samples = null } = certificate
  if (samples === null)
    return { checked: [], notChecked: ['who the protected samples are: the certificate names no record'] }
  const checked: string[] = []
  const notChecked: string[] = []
  for (const key of ['protectedSet', 'inputs'] as const) {
    const stored = samples[key]
    if (stored === null) continue
    const found = await readSamples(path.dirname(file), stored.file)
    if (found === null) {
      notChecked.push(`${stored.file}, which is not next to the certificate`)
      continue
    }
    differences.compare(`samples.${key}.sha256`, stored.sha256, found.sha256)
    const { record } = found
    const side = key === 'protectedSet' ? 'protected' : 'inputs'
    differences.compare(`${stored.file}: side`, record.side, side)
    differences.compare(`${stored.file}: by`, record.by, certificate.buckets.by)
    if (key === 'inputs') compareInputs(certificate, stored.file, record, differences)
    else await compareProtected(file, certificate, stored.file, record, differences)
    checked.push(
      key === 'inputs'
        ? 'the record of the inputs: names and labels'
        : 'the record of the protected set: partitions, sizes, base classifiers of one class and the most frequent class follow from it',
    )
  }
  return { checked, notChecked }
}

function compareInputs(
  { runs, classNames }: ReadCertificate,
  name: string,
  { samples }: ReadSamples,
  differences: Differences,
): void {
  const listed = runs.find(({ inputs }) => inputs !== null)?.inputs ?? null
  if (listed === null) return
  differences.compare(`${name}: samples`, samples.length, listed.length)
  for (const [t, { id, label }] of listed.entries()) {
    const sample = samples[t]
    if (sample !== undefined)
      differences.compare(
        `${name}: samples[${t}]`,
        { id: sample.id, label: sample.label },
        { id, label: classNames[label] },
      )
  }
}

async function compareProtected(
  file: string,
  certificate: ReadCertificate,
  name: string,
  record: ReadSamples,
  differences: Differences,
): Promise<void> {
  const { classNames, mostFrequentClass, runs, buckets } = certificate
  const set = samplesOfRecord(name, record, classNames, differences)
  if (set === null) return
  for (const [r, run] of runs.entries())
    await comparePartition(file, { run, at: `runs[${r}].` }, { name, record, set, by: buckets.by }, differences)
  // Videos from before the oldest period count there, and are in no partition.
  if (buckets.by === 'time') return
  const counts = new Array<number>(classNames.length).fill(0)
  for (const [row, { rows }] of record.samples.entries()) counts[set.labels[row]] += rows
  differences.compare('mostFrequentClass.name', mostFrequentClass.name, classNames[plurality(counts)])
}

async function comparePartition(
  file: string,
  { run, at }: { readonly run: ReadRun; readonly at: string },
  of: { readonly name: string; readonly record: ReadSamples; readonly set: SampleSet; readonly by: ReadSamples['by'] },
  differences: Differences,
): Promise<void> {
  const { name, record, set, by } = of
  const about = { run: runName(run) }
  const found = await readBuckets(path.dirname(file), bucketCount(run), run.bucketManifest)
  // A number alone must not make work: as many partitions as the file has.
  if (found === null || run.ballots?.learners !== run.learners) return
  const { manifest } = found
  const { learners, periods } = run
  const { buckets, offsets } = spreadOfPlan({ by, learners, offsets: run.offsets, periods })
  const groups = manifest.groups ?? undefined
  if (buckets !== manifest.buckets || (groups !== undefined && buckets % groups !== 0)) return
  try {
    const assignment = assignBuckets(set, { by, buckets, periods, groups })
    const again = bucketManifest(set, assignment)
    differences.compare(
      `${found.name}: assignment, from ${name}`,
      Object.fromEntries(manifest.assignment),
      Object.fromEntries(again.assignment),
      about,
    )
    const sizes = new Array<number>(buckets).fill(0)
    for (const [row, { rows }] of record.samples.entries())
      if (assignment.bucketOf[row] >= 0) sizes[assignment.bucketOf[row]] += rows
    differences.compare(`${found.name}: sizes, from ${name}`, manifest.sizes, sizes, about)
    const { singleClassLearners } = ensembleFacts(set, { assignment, offsets, learners })
    differences.compare(`${at}singleClassLearners`, run.singleClassLearners, singleClassLearners, about)
  } catch (error) {
    if (!(error instanceof VideoMaeError && error.code === 'INVALID_ARGUMENT')) throw error
    throw invalidCertificate(path.join(path.dirname(file), name), `samples with partitions by ${by}`, error.message)
  }
}

/** One row for each recorded sample; null where a class is none of the certificate. */
function samplesOfRecord(
  name: string,
  { samples, by }: ReadSamples,
  classNames: readonly string[],
  differences: Differences,
): SampleSet | null {
  const index = new Map(classNames.map((label, i) => [label, i]))
  const before = differences.found
  for (const [i, { label }] of samples.entries())
    if (!index.has(label)) differences.compare(`${name}: samples[${i}].label`, label, 'one of classNames')
  if (differences.found > before) return null
  return {
    rows: samples.length,
    labels: Int32Array.from(samples, ({ label }) => index.get(label) ?? 0),
    classNames,
    ids: samples.map(({ id }) => id),
    digests: samples.map((sample) => sample.sha256),
    ...(by === 'source' ? { groups: samples.map(({ group }) => group ?? '') } : {}),
    ...(by === 'time' ? { times: samples.map(({ time }) => time ?? Number.NaN) } : {}),
  }
}
