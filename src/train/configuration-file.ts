import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parse, parseDocument } from 'yaml'
import { z } from 'zod'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { nearestKey } from '../core/nearest-key.ts'
import { readRegularText } from '../format/regular-file.ts'
import { type RunConfiguration, type RunInput, runSchema } from './configuration.ts'
import { currentPath, withCurrentKeys } from './earlier-keys.ts'

/** One value that replaces what the file says. */
export interface Override {
  /** Where it goes, `['optimizer', 'baseLearningRate']`. */
  readonly path: readonly string[]
  readonly value: unknown
  /** What the user wrote, for messages: `--set optimizer.baseLearningRate=3e-4`. */
  readonly origin: string
}

/**
 * Reads `key.of.some.value=VALUE`; VALUE is YAML, so `true`, `3e-4`, `null`, `[a, b]` and `{epochs: 3}` mean what they
 * mean in a recipe.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * import { parseOverride } from 'videomae'
 *
 * const { path, value } = parseOverride('schedule.duration=200 epochs')
 * path // => ['schedule', 'duration']
 * value // => '200 epochs'
 * ```
 */
export function parseOverride(text: string): Override {
  const split = text.indexOf('=')
  const path = text.slice(0, Math.max(split, 0)).trim().split('.')
  if (split < 1 || path.some((key) => key === '')) {
    throw invalidArgument('--set', 'key=value with a dotted key, e.g. model.depth=6', text)
  }
  const origin = `--set ${text}`
  try {
    return { path, value: parse(text.slice(split + 1)) as unknown, origin }
  } catch (cause) {
    throw new VideoMaeError(`${origin}: expected a YAML value after "=": ${(cause as Error).message.split('\n')[0]}`, {
      code: 'CONFIGURATION_INVALID',
      exit: 'usage',
      cause,
    })
  }
}

export interface ConfigurationSource {
  /** A YAML file. */
  readonly file?: string
  /** Its text, where it has been read already. */
  readonly text?: string
  readonly overrides?: readonly Override[]
}

/**
 * Loads and checks the configuration of a run: file, then overrides in order, then defaults. The file is a recipe, or what a run
 * (`config.json`) or `--print-config` has written.
 *
 * @throws VideoMaeError `CONFIGURATION_UNREADABLE`; `CONFIGURATION_INVALID` with every error as `file:line:column: ...`
 *   and, for an unknown key, the nearest one that exists
 *
 * @example
 * ```ts
 * import { loadRunConfiguration, parseOverride, recipeFile } from 'videomae'
 *
 * const { data, mask } = await loadRunConfiguration({
 *   file: recipeFile('demo'),
 *   overrides: [parseOverride('data.path=videos'), parseOverride('mask.ratio=0.75')],
 * })
 * data.path // => 'videos'
 * mask.ratio // => 0.75
 * ```
 */
export function loadRunConfiguration(source: ConfigurationSource): Promise<RunConfiguration> {
  return loadConfiguration(runSchema, source)
}

/**
 * Checks a configuration that a program wrote, and fills in every default. One that is checked already comes out the same.
 *
 * @throws VideoMaeError `CONFIGURATION_INVALID` with every error and, for an unknown key, the nearest one that exists
 *
 * @example
 * ```ts
 * import { runConfiguration } from 'videomae'
 *
 * const { mask } = runConfiguration({ data: { path: 'videos' }, mask: { ratio: 0.75 } })
 * mask.ratio // => 0.75
 * mask.kind // => 'tube'
 * ```
 */
export function runConfiguration(input: RunInput): RunConfiguration {
  return checkedConfiguration(runSchema, input)
}

/** `runConfiguration` for any schema of strict sections. */
export function checkedConfiguration<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(withCurrentKeys(input))
  if (parsed.success) return parsed.data
  throw invalid(
    parsed.error.issues.flatMap((issue) => describe(issue, schema).map(({ message }) => `configuration: ${message}`)),
  )
}

/** `loadRunConfiguration` for any schema of strict sections. */
export async function loadConfiguration<T>(schema: z.ZodType<T>, source: ConfigurationSource): Promise<T> {
  const { file } = source
  const overrides = (source.overrides ?? []).map((one) => ({ ...one, path: currentPath(one.path) }))
  const text = source.text ?? (file === undefined ? '' : await readText(file))
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const name = file ?? 'configuration'
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${name}:${line}:${col}`
  }
  if (document.errors.length > 0) {
    throw invalid(document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`))
  }
  const written = plainValues(document, name) ?? null
  // A file without any key is a mistake, such as a copy that broke off; the defaults alone need no file.
  if (file !== undefined && written === null) {
    throw invalid([`${name}: expected keys of a recipe, received an empty file`])
  }
  let values: unknown = withCurrentKeys(withoutDerived(written ?? {}))
  for (const override of overrides) values = placed(values, override.path, override)
  const parsed = schema.safeParse(values)
  if (parsed.success) return parsed.data
  const messages = parsed.error.issues.flatMap((issue) =>
    describe(issue, schema).map(({ path, key, message }) => {
      const full = key === undefined ? path : [...path, key]
      const origin = overrides.findLast((override) => reaches(override.path, full))?.origin
      return `${origin ?? at(offsetOf(document, path, key))}: ${message}`
    }),
  )
  throw invalid(messages)
}

/** Aliases (`*a`) are resolved only here: to anchors that may be missing, or that make too much of a short text. */
function plainValues(document: Document, name: string): unknown {
  try {
    return document.toJS()
  } catch (error) {
    if (error instanceof ReferenceError) throw invalid([`${name}: ${error.message}`])
    throw error
  }
}

/** Bytes; the largest recipe has a few thousand. */
const largestConfiguration = 2 ** 24

/** What `config.json` and `--print-config` have next to a configuration: it follows from the configuration and the data. */
const derivedKeys = ['derived', 'engineUsed']

function withoutDerived(values: unknown): unknown {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return values
  return Object.fromEntries(Object.entries(values).filter(([key]) => !derivedKeys.includes(key)))
}

async function readText(file: string): Promise<string> {
  try {
    return await readRegularText(file, { maxBytes: largestConfiguration })
  } catch (cause) {
    throw new VideoMaeError(`Expected a configuration file at ${file}: ${(cause as Error).message}`, {
      code: 'CONFIGURATION_UNREADABLE',
      exit: 'usage',
      cause,
    })
  }
}

function invalid(messages: readonly string[]): VideoMaeError {
  return new VideoMaeError(messages.join('\n'), {
    code: 'CONFIGURATION_INVALID',
    exit: 'usage',
    hint: '--print-config alone prints every key; schema.json (pretrain) and finetune-schema.json in models/ let an editor check them.',
  })
}

/** A copy of `tree` with one value put at a path; maps on the way are made where they are missing. */
function placed(tree: unknown, path: readonly string[], override: Override): unknown {
  const [key, ...rest] = path
  if (key === undefined) return override.value
  const map = tree === undefined || tree === null ? {} : tree
  if (typeof map !== 'object' || Array.isArray(map)) {
    throw invalid([`${override.origin}: ${override.path.slice(0, -path.length).join('.')} is a value, not a section`])
  }
  const entries = map as Record<string, unknown>
  return { ...entries, [key]: placed(Object.hasOwn(entries, key) ? entries[key] : undefined, rest, override) }
}

/** Whether an override set the key `path`, something around it or something inside it. */
function reaches(override: readonly string[], path: readonly PropertyKey[]): boolean {
  const shared = Math.min(override.length, path.length)
  for (let i = 0; i < shared; i++) if (override[i] !== String(path[i])) return false
  return shared > 0
}

interface Complaint {
  readonly path: readonly PropertyKey[]
  /** The unknown key inside `path`. */
  readonly key?: string
  readonly message: string
}

function describe(issue: z.core.$ZodIssue, schema: z.ZodType): Complaint[] {
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path)
    const where = issue.path.length === 0 ? '' : ` in "${issue.path.join('.')}"`
    return issue.keys.map((key) => {
      const nearest = nearestKey(key, known)
      const advice = nearest === null ? `known keys: ${known.join(', ')}` : `did you mean "${nearest}"?`
      return { path: issue.path, key, message: `Unknown key "${key}"${where}; ${advice}` }
    })
  }
  return [{ path: issue.path, message: `"${issue.path.join('.') || 'configuration'}": ${issue.message}` }]
}

interface SchemaNode {
  readonly properties?: Record<string, SchemaNode>
  readonly anyOf?: readonly SchemaNode[]
}

/** Keys that the section at a path may have. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let nodes: SchemaNode[] = [z.toJSONSchema(schema, { io: 'input' }) as SchemaNode]
  const flattened = (node: SchemaNode): SchemaNode[] => [node, ...(node.anyOf ?? []).flatMap(flattened)]
  for (const key of path) {
    nodes = nodes.flatMap(flattened).flatMap((node) => node.properties?.[String(key)] ?? [])
  }
  return [...new Set(nodes.flatMap(flattened).flatMap((node) => Object.keys(node.properties ?? {})))]
}

/** Where in the text the value at a path, or its key, is; the nearest section around it where it is absent. */
function offsetOf(document: Document, path: readonly PropertyKey[], key?: string): number {
  let node: unknown = document.contents
  let offset = 0
  for (const step of key === undefined ? path : [...path, key]) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
      )
      if (pair === undefined) return offset
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset
      node = pair.value
    } else {
      node = document.getIn([...path.slice(0, path.indexOf(step) + 1)], true)
    }
    if (key === undefined && isNode(node)) offset = node.range?.[0] ?? offset
  }
  return offset
}
