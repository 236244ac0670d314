/**
 * Attacks on the list or folder itself, through everything that `certify` does: rows are read, files digested and decoded, learners
 * trained, predictions certified, once for the clean data and once for each attack. A certified prediction that changed is a violation.
 */

import { statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { invalidArgument, VideoMaeError } from '../../../core/errors.ts'
import { makeFolder } from '../../../core/make-folder.ts'
import { RandomStream } from '../../../core/random.ts'
import { withProcesses } from '../../../video/idle-processes.ts'
import { separatorNames } from '../../../video/list/records.ts'
import { listVideos, readVideos } from '../../../video/source.ts'
import { certify } from '../../certify.ts'
import type { CertifyOptions } from '../../certify-plan.ts'
import type { BucketKey } from '../../ensemble/buckets.ts'
import type { SampleSet, TestInputs } from '../../ensemble/feature-set.ts'
import { middleOfPeriod, periodOf } from '../../ensemble/periods.ts'
import { needsGroups, type Rule, rulesOfLayout } from '../../rules/list.ts'
import type { Threat } from '../../threat/threat.ts'
import { ensembleSize } from '../memory.ts'
import { type CertifyVideosOptions, checkCertificationPlan, planCertification } from '../plan.ts'
import { type Prepared, prepareGroups, prepareLearners } from '../prepare.ts'
import { timeBounds, timesOf } from '../video-times.ts'
import {
  AttackFiles,
  columns,
  type DataForm,
  type DataRow,
  type ListColumn,
  listSeparators,
  nameInData,
  unitsChanged,
  writeData,
} from './attacked-data.ts'
import { type AttackKind, attacked, attackKinds, kindsFor, type Target } from './attacks.ts'

/** The videos, rules and attacks of an audit that attacks the list itself. */
export interface ListAuditOptions {
  /** As for `certify`; `data` is what is attacked. */
  readonly videos: CertifyVideosOptions
  /** Rules whose certificates are attacked. */
  readonly rules: readonly Rule[]
  /** K, at least 1. */
  readonly partitions: number
  /** What the attacker may do. */
  readonly threat: Threat
  /** Encoder groups. Default: one encoder for all learners. */
  readonly groups?: number
  /** d of Finite Aggregation. */
  readonly spread?: number
  /** DPA*: learners of each partition. Default 1. */
  readonly seeds?: number
  /** Also the white-box label-flip certificate of ridge heads (threat `label_flip` only). */
  readonly whiteBox?: boolean
  /** Attacks. Default 20. */
  readonly trials?: number
  /** Acts of the attacker. Default: all that the threat allows, and in half of the attacks the strongest one, aimed at an input. */
  readonly kinds?: readonly AttackKind[]
  /** Most rows of the data that are used, an even choice. Default 400: every attack reads all of them again. */
  readonly rows?: number
  /** Columns of the list. Default: those that any row uses. */
  readonly columns?: readonly ListColumn[]
  /** A folder for lists, links and the attacker's files; removed afterwards. */
  readonly folder: string
  /** Of the attacks: a whole number. Default 0. */
  readonly seed?: number
  /** Threads that train heads. Default: one for each core. */
  readonly threads?: number
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Called after each attack. */
  readonly onProgress?: (done: number, total: number) => void
  /** What is audited. Default: the way that `certify` goes. For tests of the audit. */
  readonly certified?: (data: string, options: ListAuditOptions) => Promise<Outcome>
}

/** How many lists were attacked, and whether a certified prediction changed. */
export interface ListAuditReport {
  /** Whether a list or a folder was attacked. */
  readonly form: DataForm['kind']
  /** What the attacker could do. */
  readonly threat: Threat
  /** Rules whose certificates were attacked. */
  readonly rules: readonly Rule[]
  /** Rows of the clean data. */
  readonly rows: number
  /** Attacks. */
  readonly trials: number
  /** Acts of each kind, over all attacks. */
  readonly acts: Readonly<Record<AttackKind, number>>
  /** Units of the radius that attacks cost, summed up. */
  readonly units: number
  /** Attacks after which there was no answer, by the code of the error: a certificate does not promise one. */
  readonly refused: Readonly<Record<string, number>>
  /** Predictions that were certified for what an attack cost, and compared. */
  readonly checkedPredictions: number
  /** Certified predictions that changed: number of the attack, what it did, and what changed. */
  readonly violations: readonly {
    readonly trial: number
    readonly acts: readonly AttackKind[]
    readonly what: string
  }[]
}

interface Certified {
  readonly prediction: string
  readonly radius: number
  readonly earliness?: number
  readonly rivals: readonly string[]
}

/** By rule and input. */
export type Outcome = ReadonlyMap<string, ReadonlyMap<string, Certified>>

/**
 * Attacks a list of videos: changes its rows, certifies again and compares the certified predictions.
 *
 * @throws VideoMaeError what reading and certifying the clean data throws; the signal's reason
 */
export function auditLists(options: ListAuditOptions): Promise<ListAuditReport> {
  const { videos } = options
  return withProcesses(videos.processes, (processes) => attackLists({ ...options, videos: { ...videos, processes } }))
}

async function attackLists(options: ListAuditOptions): Promise<ListAuditReport> {
  const { videos, rules, threat, trials = 20, seed = 0, folder, signal } = options
  const { by = 'content' } = videos
  const certified = options.certified ?? certifyData
  const { form, rows } = readRows(videos.data, options.rows ?? 400, by, options.columns)
  const files = new AttackFiles(path.join(folder, 'attacker'))
  makeFolder(folder)
  try {
    const clean = await certified(await writeData(path.join(folder, 'clean'), form, rows), options)
    const inputs = await inputsOf(videos, form, rows, clean)
    const acts = Object.fromEntries(attackKinds.map((kind) => [kind, 0])) as Record<AttackKind, number>
    const refused: Record<string, number> = {}
    const violations: { trial: number; acts: readonly AttackKind[]; what: string }[] = []
    let [units, checkedPredictions] = [0, 0]
    for (let trial = 0; trial < trials; trial++) {
      signal?.throwIfAborted()
      const stream = new RandomStream(seed, 'list audit', trial)
      const attack = await attackOnce({ options, by, form, rows, files, clean, inputs }, stream)
      for (const kind of attack.acts) acts[kind]++
      units += attack.cost
      try {
        const after = await certified(await writeData(path.join(folder, 'attacked'), form, attack.rows), options)
        const kept = new Set(attack.rows)
        const untouched = new Set(rows.filter((row) => kept.has(row)).map((row) => nameInData(form, row)))
        const compared = compare(clean, after, attack, videos.test === undefined ? untouched : null)
        checkedPredictions += compared.checked
        violations.push(...compared.changed.map((what) => ({ trial, acts: attack.acts, what })))
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof VideoMaeError) || error.exit === 'internal') throw error
        refused[error.code] = (refused[error.code] ?? 0) + 1
      }
      options.onProgress?.(trial + 1, trials)
    }
    const counts = { rows: rows.length, trials, acts, units, refused, checkedPredictions, violations }
    return { form: form.kind, threat, rules, ...counts }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function readRows(data: string, most: number, by: BucketKey, given: readonly ListColumn[] | undefined) {
  const { entries, sources } = readVideos(data, { labelFromFolder: true })
  const kind = by !== 'id' && statSync(data).isDirectory() ? 'folder' : 'list'
  const step = Math.max(1, entries.length / most)
  const some = Array.from({ length: Math.min(most, entries.length) }, (_, i) => entries[Math.floor(i * step)])
  const told = columns.filter((name) => kind === 'list' && some.some((entry) => entry[name] !== undefined))
  const format = sources[0]?.format
  const written = listSeparators.find((each) => separatorNames[each === ' ' ? 'blanks' : each] === format)
  const form: DataForm = {
    kind: given === undefined ? kind : 'list',
    columns: given ?? told,
    separator: written ?? ',',
  }
  const rows = some.map((entry, i): DataRow => {
    const { path: file, label, start, end, group, split, time } = entry
    const id = form.kind === 'folder' ? entry.id : `${i}-${path.posix.basename(file)}`
    return { id, path: file, label, start, end, group, split, time }
  })
  return { form, rows }
}

/** Files of videos to predict. */
async function inputsOf(videos: CertifyVideosOptions, form: DataForm, rows: readonly DataRow[], clean: Outcome) {
  const ids = new Set([...clean.values()].flatMap((inputs) => [...inputs.keys()]))
  if (videos.test !== undefined)
    return listVideos(videos.test, { labelFromFolder: true }).flatMap(({ id, path: file }) =>
      ids.has(id) ? [{ id, file }] : [],
    )
  return rows.flatMap((row) => (ids.has(nameInData(form, row)) ? [{ id: nameInData(form, row), file: row.path }] : []))
}

interface Attacking {
  readonly options: ListAuditOptions
  readonly by: BucketKey
  readonly form: DataForm
  readonly rows: readonly DataRow[]
  readonly files: AttackFiles
  readonly clean: Outcome
  readonly inputs: readonly { readonly id: string; readonly file: string }[]
}

interface Attack {
  readonly rows: readonly DataRow[]
  readonly acts: readonly AttackKind[]
  readonly cost: number
  readonly holdsFor: (certified: Certified) => boolean
}

/** Acts until they cost what some input is certified for; every second attack is aimed at one. */
async function attackOnce(attacking: Attacking, stream: RandomStream): Promise<Attack> {
  const { options, by, form, files, clean, inputs } = attacking
  const all = [...clean.values()].flatMap((mine) => [...mine])
  const able = all.filter(([, { radius, earliness = 0 }]) => Math.max(radius, earliness) > 0)
  const [id, aim] = able.length === 0 ? all[stream.integer(all.length)] : able[stream.integer(able.length)]
  const most = Math.max(1, aim.radius, aim.earliness ?? 0)
  const names = [...new Set(attacking.rows.map(({ label = '?' }) => label))]
  const labelsOnly = options.threat === 'label_flip'
  const aimed = stream.integer(2) === 0 && options.kinds === undefined
  // Aimed flips take labels from the winner of an input and give them to its rivals, all that the budget allows.
  const ofWinner = (row: DataRow) => row.label === aim.prediction
  const target: Target = {
    ...{ form, labelsOnly, reach: aimed && labelsOnly ? ofWinner : () => true, stamp: () => ({}) },
    labels: aimed ? [...aim.rivals.filter((name) => names.includes(name)), 'a class of the attacker'] : names,
    inputs: inputs.filter((input) => !aimed || input.id === id).map(({ file }) => file),
  }
  const strongest: AttackKind = labelsOnly ? 'relabel' : 'insert an input'
  const kinds: readonly AttackKind[] = aimed ? [strongest] : (options.kinds ?? kindsFor(target))
  const spend = { kinds, budget: aimed ? most : 1 + stream.integer(most) }
  if (by === 'time') return inStretch(attacking, target, spend.budget, stream)
  const { rows, acts, cost } = await spendOn(
    attacking.rows,
    by,
    withSources(target, by, attacking.rows),
    spend,
    files,
    stream,
  )
  return { rows, acts, cost, holdsFor: ({ radius }) => cost > 0 && radius >= cost }
}

/** Where sources are counted, an inserted video has one: of those that are there, or a new one. */
function withSources(target: Target, by: BucketKey, rows: readonly DataRow[]): Target {
  if (by !== 'source') return target
  const stamp = (stream: RandomStream) => {
    const { group } = rows[stream.integer(rows.length)]
    return { group: stream.integer(2) === 0 ? `new source ${stream.integer(4)}` : group }
  }
  return { ...target, stamp }
}

async function spendOn(
  clean: readonly DataRow[],
  by: Exclude<BucketKey, 'time'>,
  target: Target,
  { kinds, budget }: { readonly kinds: readonly AttackKind[]; readonly budget: number },
  files: AttackFiles,
  stream: RandomStream,
) {
  let rows = clean
  let cost = 0
  const acts: AttackKind[] = []
  // Where sources are counted, acts inside one that is hit already are free: a few more of them.
  for (let attempt = 0; attempt < 6 * budget + 6; attempt++) {
    const kind = kinds[stream.integer(kinds.length)]
    const next = await attacked(rows, kind, target, files, stream, attempt)
    if (next === null) continue
    const changed = await unitsChanged(clean, next, by, files)
    if (changed > budget) continue
    ;[rows, cost] = [next, changed]
    acts.push(kind)
    if (by !== 'source' && cost === budget) break
  }
  return { rows, acts, cost }
}

/** Any number of acts, on videos of some neighboring periods; every second stretch reaches up to the newest. */
async function inStretch(
  { options, rows: clean, files }: Attacking,
  target: Target,
  budget: number,
  stream: RandomStream,
): Promise<Attack> {
  const bounds = options.videos.periods
  if (bounds === undefined) throw invalidArgument('periods', `periods with rule ${rulesOfLayout('periods')}`, bounds)
  const { periods, kind } = timeBounds(bounds)
  const count = options.partitions + periods.coverage - 1
  const length = Math.min(budget, count)
  const newest = stream.integer(2) === 0
  const from = newest ? count - length : stream.integer(count - length + 1)
  const upToNow = from + length === count
  const reach = (row: DataRow): boolean => {
    const [time = Number.NaN] = timesOf([{ time: row.time }]) ?? []
    const period = periodOf(time, periods, count)
    return period >= from && period < from + length
  }
  const stamp = () => {
    const time = middleOfPeriod(from + stream.integer(length), periods, count)
    return { time: kind === 'date' ? new Date(time).toISOString().replace(/:\d\d\.\d+Z/, 'Z') : String(time) }
  }
  let rows = clean
  const acts: AttackKind[] = []
  for (let attempt = 0; attempt < 4 + clean.filter(reach).length; attempt++) {
    const kinds = kindsFor(target).filter((other) => other !== 'other group')
    const act = kinds[stream.integer(kinds.length)]
    const next = await attacked(rows, act, { ...target, reach, stamp }, files, stream, attempt)
    if (next === null) continue
    rows = next
    acts.push(act)
  }
  const holdsFor = ({ radius, earliness = 0 }: Certified) => length <= radius || (upToNow && length <= earliness)
  return { rows, acts, cost: length, holdsFor }
}

/** @param untouched names of inputs that are still what they were; null for all */
function compare(clean: Outcome, after: Outcome, { holdsFor, cost }: Attack, untouched: ReadonlySet<string> | null) {
  const changed: string[] = []
  let checked = 0
  for (const [rule, inputs] of clean) {
    for (const [id, before] of inputs) {
      const now = after.get(rule)?.get(id)
      if (now === undefined || !holdsFor(before) || untouched?.has(id) === false) continue
      checked++
      if (now.prediction !== before.prediction)
        changed.push(
          `${rule}: ${id} was ${before.prediction}, certified for ${before.radius}, and is ${now.prediction} after ${cost}`,
        )
    }
  }
  return { checked, changed }
}

/** The way that `certify` goes, from data to certificates. */
export async function certifyData(data: string, options: ListAuditOptions): Promise<Outcome> {
  const { rules, partitions, groups, spread, seeds, seed, threads, threat, whiteBox, signal } = options
  const videos: CertifyVideosOptions = { ...options.videos, data, onNote: undefined, onProgress: undefined }
  const { by = 'content' } = videos
  const plan = await planCertification(videos)
  checkCertificationPlan(plan, by, rules, threat, whiteBox)
  const run = async <Set extends SampleSet, Inputs extends TestInputs>(prepared: Prepared<Set, Inputs>) => {
    const mathematics: CertifyOptions<Set, Inputs> = {
      ...{ rules, partitions, groups, spread, seeds, seed, threads, whiteBox, signal, by },
      learners: prepared.learners,
      threat: { threat, encoder: prepared.encoder },
      periods: plan.periods,
    }
    return (await certify(prepared.set, prepared.test, mathematics)).certificate
  }
  const grouped = rules.some(needsGroups) && groups !== undefined
  const size = ensembleSize({ partitions: [partitions].flat(), rules, spread, coverage: videos.periods?.coverage })
  const certificate = grouped
    ? await run(await prepareGroups(plan, videos, groups, size))
    : await prepareLearners(plan, videos, run, size)
  const { classNames } = certificate
  return new Map(
    certificate.runs.map(({ rule, inputs }) => [
      rule,
      new Map(
        (inputs ?? []).map(({ id, prediction, radius, earliness, rivals }) => [
          id,
          { prediction: classNames[prediction], radius, earliness, rivals: rivals.map((c) => classNames[c]) },
        ]),
      ),
    ]),
  )
}
