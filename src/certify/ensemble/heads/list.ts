/** All kinds of heads. A new one is a file next to this, an entry here, and its name in `names.ts`. */
import { invalidArgument } from '../../../core/errors.ts'
import type { HeadDefinition } from './head-kind.ts'
import { type HeadName, headNames } from './names.ts'
import { nearestMean } from './nearest-mean.ts'
import { ridge } from './ridge.ts'
import { softmaxHead } from './softmax.ts'

/** In the order of `names.ts`. */
const kinds = [ridge, nearestMean, softmaxHead] as const satisfies readonly { readonly name: HeadName }[]

type OptionsOf<Kind> = Kind extends HeadDefinition<infer Options, string> ? Options : never
type Filled<Options> = Options extends unknown ? Required<Options> & { readonly scaling: 'unit' | 'none' } : never

/** Options of a head: its kind, how features are scaled, and what belongs to the kind. */
export type HeadOptions = OptionsOf<(typeof kinds)[number]> & {
  /** `unit`: each row scaled to length 1 on its own (default); `none`: as they are. */
  readonly scaling?: 'unit' | 'none'
}

/** Every value filled in: what is recorded and digested. */
export type ResolvedHead = Filled<OptionsOf<(typeof kinds)[number]>>

/**
 * The head that a user names.
 *
 * @param options those of all base classifiers: a head takes its own
 */
export function headNamed(name: HeadName, options: Readonly<Record<string, unknown>>): HeadOptions {
  const { kind, options: own } = namedKind(name)
  return { kind, ...Object.fromEntries(own.map((option) => [option, options[option]])) } as HeadOptions
}

/** Its options, of those that a user may give to base classifiers. */
export function optionsOfHead(name: HeadName): readonly string[] {
  return namedKind(name).options
}

function namedKind(name: HeadName): HeadDefinition<{ readonly kind: string }> {
  const found = kinds.find((known): known is (typeof kinds)[number] => known.name === name)
  if (found === undefined) throw invalidArgument('learner', headNames.join(', '), name)
  return found
}

/** @throws VideoMaeError `INVALID_ARGUMENT` */
export function headKind(kind: string): HeadDefinition<{ readonly kind: string }> {
  const found = kinds.find((known): known is (typeof kinds)[number] => known.kind === kind)
  if (found !== undefined) return found
  const names = kinds.map((known) => `"${known.kind}"`)
  throw invalidArgument('head.kind', `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`, kind)
}

/** @throws VideoMaeError `INVALID_ARGUMENT` */
export function resolveHead(head: HeadOptions): ResolvedHead {
  const { scaling = 'unit' } = head
  if (scaling !== 'unit' && scaling !== 'none') throw invalidArgument('head.scaling', '"unit" or "none"', scaling)
  // What a kind gives is its own options, filled in.
  return { ...headKind(head.kind).resolve(head), scaling } as ResolvedHead
}

/** A head that a file describes: null unless it has every value, and no other. */
export function readHead(value: unknown): ResolvedHead | null {
  try {
    const head = resolveHead(value as HeadOptions)
    const names = Object.keys(value as object)
    const whole = names.length === Object.keys(head).length && names.every((name) => Object.hasOwn(head, name))
    return whole ? head : null
  } catch {
    return null
  }
}
