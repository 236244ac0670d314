/**
 * Every list that an attacker can make of a small one with a given number of poisoned samples, and what certificates promise
 * about it.
 *
 * A unit of the radius (a content, an id, a source or a period) is in one of a few states: the rows that the list has of it. One
 * poison puts one unit into another state. The first state of each unit is the clean one.
 */
import { rmSync, symlinkSync, writeFileSync } from 'node:fs'
import type { CertifyCommandOptions } from '../../src/cli/commands/certify.ts'

export interface ListRow {
  readonly file: string
  /** Then `file` is a link to this one, made anew for each list: an id whose content the attacker may replace. */
  readonly content?: string
  readonly label?: string
  readonly split?: string
  readonly group?: string
  readonly time?: number
}

export type State = readonly ListRow[]
export type Unit = readonly State[]

/** A small list, what may become of each of its units, and how it is certified. */
export interface World {
  readonly name: string
  /** For rule `temporal` the periods in their order, the oldest first: poisoned samples are neighbors there. */
  readonly units: readonly Unit[]
  /** Rows that nobody changes. */
  readonly fixed?: State
  readonly options: Partial<CertifyCommandOptions>
  /** Most poisoned samples that are tried. */
  readonly most: number
}

/** What is read of a `certificate.json`. */
export interface WrittenCertificate {
  readonly classNames: readonly string[]
  readonly runs: readonly {
    readonly rule: string
    readonly collective?: readonly { readonly budget: number; readonly changedAtMost: number }[] | null
    readonly inputs: readonly {
      readonly id: string
      readonly label: number | null
      readonly prediction: number
      readonly radius: number
      readonly earliness?: number
      readonly targets?: readonly { readonly class: number; readonly poisons: number | null }[]
    }[]
  }[]
}

/** State of each unit. */
export type Choice = readonly number[]

const isTemporal = ({ options }: World): boolean => options.rule === 'temporal'

/** Every choice of states that differs from the clean one in exactly `poisons` units; with rule `temporal` in neighbors only. */
export function* poisonings(world: World, poisons: number): Generator<Choice> {
  const { units } = world
  const clean = units.map(() => 0)
  function* from(first: number, left: number, choice: Choice): Generator<Choice> {
    if (left === 0) return yield choice
    const last = isTemporal(world) && left < poisons ? first + 1 : units.length
    for (let unit = first; unit < last && unit < units.length; unit++)
      for (let state = 1; state < units[unit].length; state++)
        yield* from(unit + 1, left - 1, Object.assign([...choice], { [unit]: state }))
  }
  yield* from(0, poisons, clean)
}

export const cleanChoice = ({ units }: World): Choice => units.map(() => 0)

const columns = ['label', 'split', 'group', 'time'] as const

/** Writes the list of a choice; it has the columns that any state of the world uses, whatever is chosen. */
export function writeList(file: string, { units, fixed = [] }: World, choice: Choice): void {
  const all = [...units.flat(2), ...fixed]
  const used = columns.filter((name) => all.some((row) => row[name] !== undefined))
  const rows = [...choice.flatMap((state, unit) => units[unit][state]), ...fixed]
  for (const { file: link, content } of rows) {
    if (content === undefined) continue
    rmSync(link, { force: true })
    symlinkSync(content, link)
  }
  const lines = rows.map((row) => [row.file, ...used.map((name) => row[name] ?? '')].join(','))
  writeFileSync(file, [['path', ...used].join(','), ...lines, ''].join('\n'))
}

/** Whether the certificate promises anything about this number of poisoned samples. */
export function promises({ runs }: WrittenCertificate, poisons: number): boolean {
  return runs.some(({ inputs }) => inputs.some(({ radius, earliness = 0 }) => Math.max(radius, earliness) >= poisons))
}

export interface Checked {
  /** Promises about single inputs that the poisoned samples do not exceed: radii, durations, earliness and targets. */
  readonly promises: number
  readonly bounds: number
  readonly broken: readonly string[]
}

/** Compares what was promised about the clean list with what came of a poisoned one. */
export function checkPromises(
  world: World,
  clean: WrittenCertificate,
  choice: Choice,
  after: WrittenCertificate,
): Checked {
  const changed = choice.flatMap((state, unit) => (state === 0 ? [] : [unit]))
  const poisons = changed.length
  const newest = isTemporal(world) && changed.at(-1) === world.units.length - 1
  // Inputs in a unit that was changed may be other videos now.
  const touched = new Set(changed.flatMap((unit) => world.units[unit].flat().map(({ file }) => file)))
  let [promises, bounds] = [0, 0]
  const broken: string[] = []
  for (const run of clean.runs) {
    const now = new Map(after.runs.find(({ rule }) => rule === run.rule)?.inputs.map((input) => [input.id, input]))
    const nameOf = (certificate: WrittenCertificate, prediction: number) => certificate.classNames[prediction]
    let lost = 0
    const inputs = run.inputs.filter(({ id }) => !touched.has(id))
    for (const input of inputs) {
      const before = nameOf(clean, input.prediction)
      const found = now.get(input.id)
      const is = found === undefined ? 'not predicted' : nameOf(after, found.prediction)
      if (input.prediction === input.label && is !== before) lost++
      const where = `${run.rule}: ${input.id} was ${before} (radius ${input.radius}, earliness ${input.earliness}), is ${is} after ${poisons}`
      if (poisons <= input.radius || (newest && poisons <= (input.earliness ?? 0))) {
        promises++
        if (is !== before) broken.push(where)
      }
      for (const target of input.targets ?? []) {
        if (poisons >= (target.poisons ?? Number.POSITIVE_INFINITY)) continue
        promises++
        const name = nameOf(clean, target.class)
        if (is === name) broken.push(`${where}, which takes ${target.poisons} poisoned samples`)
      }
    }
    const bound = run.collective?.find(({ budget }) => budget === poisons)
    if (bound === undefined || inputs.length < run.inputs.length) continue
    bounds++
    if (lost > bound.changedAtMost)
      broken.push(`${run.rule}: ${poisons} change ${lost} right predictions, at most ${bound.changedAtMost} promised`)
  }
  return { promises, bounds, broken }
}
