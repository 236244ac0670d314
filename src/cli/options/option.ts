/**
 * Options and arguments of commands. A definition says what help shows, how the text is read and what the value is: the type of
 * the value follows from it.
 */
import type { CountName } from '../../core/counts.ts'
import { collect, countOf } from '../arguments.ts'

/** What options and arguments have in common. */
interface Valued<Value> {
  readonly description: string
  /** Values that are allowed; null: any. */
  readonly choices: readonly string[] | null
  /** Whether what the parser hands over is such a value. */
  readonly is: (value: unknown) => value is Value
}

/** An option. Its name is its key in the definition of a command: `maskRatio` is given as `--mask-ratio`. */
export interface OptionKind<Value> extends Valued<Value> {
  /** What help calls the value; null for an option without one. */
  readonly shown: string | null
  /** Makes, for the option as it is given (`--mask-ratio`), what reads its text; null: the value is the text. */
  readonly reads: ((option: string) => (text: string, before: unknown) => unknown) | null
  /** Value where the option is left out. */
  readonly fallback?: Value
  readonly mandatory?: boolean
  /** Whether it is given as `--no-NAME`. */
  readonly negated?: boolean
}

/** An argument. Its name is its key in the definition. */
export interface ArgumentKind<Value> extends Valued<Value> {
  readonly optional: boolean
  /** Whether there may be several. */
  readonly variadic: boolean
}

export type OptionKinds = Readonly<Record<string, OptionKind<unknown>>>
export type ArgumentKinds = Readonly<Record<string, ArgumentKind<unknown>>>

type ValueOf<Kind> = Kind extends Valued<infer Value> ? Value : never
type OptionalNames<Kinds> = {
  [Name in keyof Kinds]: undefined extends ValueOf<Kinds[Name]> ? Name : never
}[keyof Kinds]

/** Values of options or arguments, by name. */
export type ValuesOf<Kinds> = {
  readonly [Name in Exclude<keyof Kinds, OptionalNames<Kinds>>]: ValueOf<Kinds[Name]>
} & { readonly [Name in OptionalNames<Kinds>]?: ValueOf<Kinds[Name]> }

/** What the parser has handed over is of the types that the definition says. Anything else is a defect of the program. */
export function requireValues<Kinds extends OptionKinds | ArgumentKinds>(
  kinds: Kinds,
  values: Readonly<Record<string, unknown>>,
): asserts values is ValuesOf<Kinds> & Readonly<Record<string, unknown>> {
  for (const [name, kind] of Object.entries(kinds))
    if (!kind.is(values[name])) throw new TypeError(`Expected a value of ${name} other than ${String(values[name])}.`)
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isNumber = (value: unknown): value is number => typeof value === 'number'
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean'
const isList = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText)
const isOneOf =
  <const Choice extends string>(choices: readonly Choice[]) =>
  (value: unknown): value is Choice =>
    choices.some((choice) => choice === value)

const orNone =
  <Value>(is: (value: unknown) => value is Value) =>
  (value: unknown): value is Value | undefined =>
    value === undefined || is(value)

/** Something that is done or not. */
export function flag(description: string): OptionKind<boolean | undefined> {
  return { shown: null, description, choices: null, reads: null, is: orNone(isBoolean) }
}

/** Something that is done unless `--no-NAME` is given. */
export function unlessNo(description: string): OptionKind<boolean> {
  return { shown: null, description, choices: null, reads: null, negated: true, is: isBoolean }
}

/** @param shown what help calls the value, such as `folder` */
export function text(shown: string, description: string): OptionKind<string | undefined> {
  return { shown, description, choices: null, reads: null, is: orNone(isText) }
}

/** May be given several times. */
export function texts(shown: string, description: string): OptionKind<readonly string[] | undefined> {
  return { shown, description, choices: null, reads: () => collect, is: orNone(isList) }
}

/** One of several words. */
export function choice<const Choice extends string>(
  shown: string,
  description: string,
  choices: readonly Choice[],
): OptionKind<Choice | undefined> {
  return { shown, description, choices, reads: null, is: orNone(isOneOf(choices)) }
}

/** @param parse reads the text; it throws for a number out of its bounds */
export function number(
  shown: string,
  description: string,
  parse: (text: string) => number,
): OptionKind<number | undefined> {
  return { shown, description, choices: null, reads: () => parse, is: orNone(isNumber) }
}

/**
 * A number of things.
 *
 * @param counted what is counted, which says how many there can be
 * @param shown what help calls the value
 */
export function count(
  counted: CountName,
  description: string,
  { shown = 'n', least = 1 }: { readonly shown?: string; readonly least?: 0 | 1 } = {},
): OptionKind<number | undefined> {
  return {
    ...{ shown, description, choices: null, is: orNone(isNumber) },
    reads: (option) => countOf(counted, option, least),
  }
}

const hasValue = <Value>(is: (value: unknown) => value is Value) => {
  return (value: unknown): value is Exclude<Value, undefined> => value !== undefined && is(value)
}

/** The option with a value where it is left out. */
export function withDefault<Value>(
  kind: OptionKind<Value>,
  fallback: Exclude<Value, undefined>,
): OptionKind<Exclude<Value, undefined>> {
  return { ...kind, fallback, is: hasValue(kind.is) }
}

/** The option, which must be given. */
export function mandatory<Value>({ fallback: _, ...kind }: OptionKind<Value>): OptionKind<Exclude<Value, undefined>> {
  return { ...kind, mandatory: true, is: hasValue(kind.is) }
}

/** An argument that must be given. */
export function argument(description: string): ArgumentKind<string> {
  return { description, choices: null, optional: false, variadic: false, is: isText }
}

/** An argument that may be left out. */
export function optionalArgument(description: string): ArgumentKind<string | undefined> {
  return { description, choices: null, optional: true, variadic: false, is: orNone(isText) }
}

/** At least one argument. */
export function severalArguments(description: string): ArgumentKind<readonly string[]> {
  return { description, choices: null, optional: false, variadic: true, is: isList }
}

/** Any number of arguments. */
export function anyArguments(description: string): ArgumentKind<readonly string[]> {
  return { description, choices: null, optional: true, variadic: true, is: isList }
}

/** An argument that is one of several words. */
export function choiceArgument<const Choice extends string>(
  description: string,
  choices: readonly Choice[],
): ArgumentKind<Choice> {
  return { description, choices, optional: false, variadic: false, is: isOneOf(choices) }
}
