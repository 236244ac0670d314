/** What a run that continues must have in common with what it was. */
import { VideoMaeError } from '../core/errors.ts'
import { withCurrentKeys } from './earlier-keys.ts'
import type { RunLabels } from './pretrain-data.ts'

/** What decides the losses of a run. */
export interface RunIdentity {
  /** In the form recipes have. */
  readonly configuration: Readonly<Record<string, unknown>>
  readonly data: {
    readonly entries: number
    readonly digest: string
    /** Of a classifier; absent where they were not recorded. */
    readonly labels?: RunLabels | undefined
  }
  readonly engine: string
  /** See `Engine.variant`; absent where it is not known. */
  readonly engineVariant?: string | undefined
}

/**
 * What may differ from one part of a run to the next: where files are, how they are read, when something is written; and how
 * the arithmetic is carried out (threads, device, recomputation). The latter is the same computation, but sums in another order
 * round differently, so only a run that keeps them continues bit for bit as if it had not been stopped.
 */
const changeable = [
  'data.path',
  'data.workers',
  'data.timeoutSeconds',
  'engine.threads',
  'engine.device',
  'engine.recompute',
  'checkpoint',
  'log',
]

/** The key that a run may be given another value of on purpose: its learning rate follows the new length from there on. */
const durationKey = 'schedule.duration'

/** A value that differs between two configurations, as JSON; null where one of them has no such key. */
export interface ConfigurationDifference {
  readonly key: string
  readonly before: string | null
  readonly now: string | null
}

/** `key: before -> now`. */
export const formatDifference = ({ key, before, now }: ConfigurationDifference): string =>
  `${key}: ${before ?? 'absent'} -> ${now ?? 'absent'}`

/** The keys in which two configurations differ. */
export function differencesOf(
  before: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
): ConfigurationDifference[] {
  const [old, current] = [before, now].map((values) => flattened(withCurrentKeys(values)))
  return [...new Set([...old.keys(), ...current.keys()])].flatMap((key) => {
    const values = { before: old.get(key) ?? null, now: current.get(key) ?? null }
    return values.before === values.now ? [] : [{ key, ...values }]
  })
}

/** Whether a run may continue although it differs there. */
export function isChangeable({ key }: ConfigurationDifference, newLength: boolean): boolean {
  if (key === durationKey) return newLength
  return changeable.some((prefix) => key === prefix || key.startsWith(`${prefix}.`))
}

/**
 * Compares a run with its checkpoint.
 *
 * @param newLength whether another duration is accepted
 * @returns what differs and may
 * @throws VideoMaeError `RESUME_MISMATCH` naming every key that differs and may not
 */
export function requireSameRun(before: RunIdentity, now: RunIdentity, newLength = false): ConfigurationDifference[] {
  // The engine that did the work counts, not whether it was named.
  const all = differencesOf(before.configuration, now.configuration).filter(({ key }) => key !== 'engine.name')
  const lines = all.filter((difference) => !isChangeable(difference, newLength)).map(formatDifference)
  if (before.engine !== now.engine) lines.push(`engine.name: ${before.engine} -> ${now.engine}`)
  if (before.data.digest !== now.data.digest) {
    lines.push(`the list of videos: ${before.data.entries} -> ${now.data.entries} entries, or other names`)
  }
  lines.push(...labelDifferences(before.data.labels, now.data.labels))
  if (lines.length > 0) throw mismatch('the run that the checkpoint belongs to', lines)
  if (before.data.labels === undefined && now.data.labels !== undefined)
    all.push({ key: 'labels of the videos', before: 'not recorded', now: 'taken from the data, not checked' })
  const [was, is] = [before.engineVariant, now.engineVariant]
  // Another processor is no reason not to continue, but rounding differs from here on.
  if (was !== undefined && is !== undefined && was !== is) all.push({ key: 'engine.variant', before: was, now: is })
  return all
}

/** The outputs of a classifier keep their places: with other classes, or other labels, what was trained as one would be called another. */
function labelDifferences(before: RunLabels | undefined, now: RunLabels | undefined): string[] {
  if (before === undefined || now === undefined) return [] // an older checkpoint: `requireSameRun` says so
  if (JSON.stringify(before.classes) !== JSON.stringify(now.classes))
    return [`the classes: ${shownClasses(before.classes)} -> ${shownClasses(now.classes)}`]
  return before.digest === now.digest
    ? []
    : ['the labels: training or validation videos have other labels than in split.csv of the run']
}

function shownClasses(classes: readonly string[]): string {
  const more = classes.length > 12 ? `, and ${classes.length - 12} more` : ''
  return `[${classes.slice(0, 12).join(', ')}${more}]`
}

/**
 * Compares what is asked for with the configuration of the run itself.
 *
 * @returns what differs and may
 * @throws VideoMaeError `RESUME_MISMATCH` naming every key that differs and may not
 */
export function requireOwnConfiguration(
  own: Readonly<Record<string, unknown>>,
  asked: Readonly<Record<string, unknown>>,
  newLength: boolean,
): ConfigurationDifference[] {
  const all = differencesOf(own, asked)
  const refused = all.filter((difference) => !isChangeable(difference, newLength))
  if (refused.length > 0) throw mismatch('the values in config.json of the run', refused.map(formatDifference))
  return all
}

function mismatch(expected: string, lines: readonly string[]): VideoMaeError {
  return new VideoMaeError(`Expected ${expected} but this differs:\n${lines.map((line) => `  ${line}`).join('\n')}`, {
    code: 'RESUME_MISMATCH',
    exit: 'usage',
    hint: 'Leave these options out: --resume takes the values of the run from its config.json. Or start a new run from its weights with model.from.',
  })
}

function flattened(tree: unknown, prefix = ''): Map<string, string> {
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) return new Map([[prefix, JSON.stringify(tree)]])
  return new Map(
    Object.entries(tree).flatMap(([key, value]) => [...flattened(value, prefix === '' ? key : `${prefix}.${key}`)]),
  )
}
