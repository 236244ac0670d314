/**
 * What the values of a certificate say about each other, besides what follows from the votes. Each was stated on its own, so a
 * certificate that was put together from parts of others has to fit in all of them.
 */
import { looksIntoHeads, needsPeriods } from '../rules/list.ts'
import { compareClassNames, otherClasses } from '../threat/class-names.ts'
import type { Differences } from './differences.ts'
import type { ReadCertificate, ReadRun } from './schema.ts'

/** Compares values of a certificate that other values of it decide. */
export function compareConsistency(certificate: ReadCertificate, names: readonly string[], differences: Differences) {
  compareEncoder(certificate, differences)
  compareClasses(certificate, differences)
  compareRows(certificate, differences)
  compareCombinations(certificate, names, differences)
  compareEnsembles(certificate, names, differences)
}

/** The overlap with the protected set is known where there is a list of training videos, or where nothing was trained. */
function compareEncoder({ threat: { encoder } }: ReadCertificate, differences: Differences): void {
  const { trainedOn, trust, overlap } = encoder
  const field = 'threat.encoder.overlap'
  if (trainedOn === null) differences.compare(field, overlap, trust === 'fixed' ? 0 : null)
  else if (overlap === null) differences.compare(field, overlap, 'a count of the videos of threat.encoder.trainedOn')
}

/**
 * The claim for any classes rests on the two names that stand for all others and on an order of names that is fixed. A class that is
 * declared has another name.
 */
function compareClasses(
  { classNames, mostFrequentClass, baseline, data }: ReadCertificate,
  differences: Differences,
): void {
  compareNames(classNames, differences)
  if (!classNames.includes(mostFrequentClass.name))
    differences.compare('mostFrequentClass.name', mostFrequentClass.name, 'one of classNames')
  if (baseline !== undefined && !classNames.includes(baseline.name))
    differences.compare('baseline.name', baseline.name, 'one of classNames')
  if (data === undefined) return
  const open = data.classes === 'any'
  if (open) differences.compare('data.classesFrom', data.classesFrom, 'labels')
  if (open || data.classesFrom === 'declared') differences.compare('data.classesDigest', data.classesDigest, null)
  const ordered = [
    ...otherClasses,
    ...classNames.filter((name) => !otherClasses.includes(name)).sort(compareClassNames),
  ]
  const expected = open ? ordered : classNames.filter((name) => !otherClasses.includes(name))
  differences.compare('classNames', classNames, expected)
}

/** Two classes of one name could not be told apart. */
export function compareNames(classNames: readonly string[], differences: Differences): void {
  const seen = new Set<string>()
  for (const [c, name] of classNames.entries()) {
    if (seen.has(name)) differences.compare(`classNames[${c}]`, name, 'a name that no other class has')
    seen.add(name)
  }
}

/** Every row is protected, predicted or left out. */
function compareRows({ data, options, runs }: ReadCertificate, differences: Differences): void {
  differences.compare('options', options === undefined, data === undefined)
  if (data === undefined) return
  const { rows, protected: inTraining, predicted, leftOut, seen } = data
  differences.compare('data.rows', rows, inTraining + predicted + leftOut.length)
  for (const { inputs } of runs) if (inputs !== null) differences.compare('data.predicted', predicted, inputs.length)
  const old = leftOut.filter(({ code }) => code === 'outside the periods').length
  if (!runs.some(({ rule }) => needsPeriods(rule))) differences.compare('rows "outside the periods"', old, 0)
  // Of those that were to be predicted, some could not be decoded.
  const lost = leftOut.filter(({ side }) => side === 'test').length
  if (seen.predicted < predicted || seen.predicted > predicted + lost)
    differences.compare(
      'data.seen.predicted',
      seen.predicted,
      lost === 0 ? predicted : `${predicted} to ${predicted + lost}`,
    )
  if (options?.trusted !== undefined)
    differences.compare('options.trusted', options.trusted, data.trusted?.source ?? null)
  const read = new Set(data.read.map(({ source }) => source))
  for (const source of [data.source, data.test, data.trusted?.source ?? null])
    if (source !== null && !read.has(source)) differences.compare('data.read', [...read], `also ${source}`)
  const unseen = seen.encoderWithLabels + seen.encoderWithoutLabels
  if (seen.protected > seen.predicted || unseen > seen.predicted)
    differences.compare('data.seen', seen, `counts of at most ${seen.predicted} videos`)
}

/**
 * Rules that `certify` refuses for a claim, because what they count is not what the claim says: neighboring periods are no videos, and
 * white-box radii hold for labels only.
 */
function compareCombinations(
  { runs, buckets: { by }, threat: { threat }, learner }: ReadCertificate,
  names: readonly string[],
  differences: Differences,
): void {
  for (const [r, { rule, periods }] of runs.entries()) {
    const about = { run: names[r] }
    if (needsPeriods(rule) !== (by === 'time'))
      differences.compare(`runs[${r}].rule`, rule, `a rule ${by === 'time' ? 'of' : 'without'} periods`, about)
    if (needsPeriods(rule) !== (periods !== undefined))
      differences.compare(`runs[${r}].periods`, periods, needsPeriods(rule) ? 'periods' : undefined, about)
    if (!looksIntoHeads(rule)) continue
    differences.compare('threat.threat', threat, 'label_flip', about)
    differences.compare('learner.kind', learner.kind, 'ridge', about)
  }
}

/** What base classifiers of one K, spread and rule layout share: rules count their votes, and do not change them. */
const sharedByRules = ['learnersDigest', 'bucketManifest', 'offsets', 'ballots', 'learnersFile', 'ensemble'] as const

/** Runs on the same base classifiers say the same of them, and no run is there twice. */
function compareEnsembles({ runs }: ReadCertificate, names: readonly string[], differences: Differences): void {
  const first = new Map<string, { readonly r: number; readonly run: ReadRun }>()
  const seen = new Set<string>()
  for (const [r, run] of runs.entries()) {
    const about = { run: names[r] }
    const ensemble = [run.partitions, run.spread, run.seeds].join()
    if (seen.has(`${ensemble},${run.rule}`))
      differences.compare(`runs[${r}].rule`, run.rule, 'a rule that no other run of these partitions has', about)
    seen.add(`${ensemble},${run.rule}`)
    const other = first.get(ensemble)
    if (other === undefined) first.set(ensemble, { r, run })
    else
      for (const field of sharedByRules) {
        const [mine, theirs] = [run[field] ?? null, other.run[field] ?? null]
        // What one of them does not name is not verified, and no contradiction.
        if (mine !== null && theirs !== null) differences.compare(`runs[${r}].${field}`, mine, theirs, about)
      }
    compareIds(run.inputs, `runs[${r}].`, about, differences)
  }
}

/** Two inputs of one id would count one input twice. */
export function compareIds(
  inputs: readonly { readonly id: string }[] | null,
  at: string,
  about: { readonly run: string },
  differences: Differences,
): void {
  const seen = new Set<string>()
  for (const [t, { id }] of (inputs ?? []).entries()) {
    if (seen.has(id))
      differences.compare(`${at}inputs[${t}].id`, id, 'an id that no other input has', { ...about, input: id })
    seen.add(id)
  }
}
